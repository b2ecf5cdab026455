// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "tests/fuzz/fuzz.h"

#include "closewatch/node/process.h"

namespace closewatch::fuzz {
namespace {

/// As do_task_stat() writes it.
std::string encoded(const ProcessStat& stat) {
  std::string text = "1 (" + stat.comm + ") S";
  constexpr int kBetween = 18;  // from ppid (4) to itrealvalue (21)
  for (int field = 0; field < kBetween; ++field) text += " 0";
  return text + " " + std::to_string(stat.start_time) + " 0\n";
}

}  // namespace

void attempt(std::string_view input) {
  const auto stat = parse_process_stat(input);
  if (!stat) return;
  require(stat->comm.size() < input.size(), "a name is not longer than what it stood in");
  const auto again = parse_process_stat(encoded(*stat));
  require(again && again->comm == stat->comm && again->start_time == stat->start_time,
          "parsing what was written gives the same");
}

}  // namespace closewatch::fuzz
