// SPDX-License-Identifier: Apache-2.0
#include "web/refusal_log.h"

#include <utility>

#include <fmt/format.h>

#include "closewatch/base/printable.h"

namespace closewatch::web {

void RefusalLog::add(Refusal refusal, const std::string& client, const std::string& why) {
  constexpr std::chrono::minutes kBetweenLines{1};
  auto& entry = entries_[refusal];
  ++entry.count;
  const auto now = std::chrono::steady_clock::now();
  if (entry.told_at && now - *entry.told_at < kBetweenLines) return;
  warn_(printable(fmt::format("{} not let in ({}), lastly {}: {}", std::exchange(entry.count, 0),
                              kRefusalNames.at(static_cast<std::size_t>(refusal)), client, why)));
  entry.told_at = now;
}

}  // namespace closewatch::web
