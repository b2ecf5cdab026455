// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_counters.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

std::string_view group_of(TcpCounterFile file) {
  return file == TcpCounterFile::kNetstat ? "TcpExt: " : "Tcp: ";
}

/// What stands before `separator`, which is taken off `text` with it.
std::string_view take_until(std::string_view& text, char separator) {
  const auto part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

/// The next line that begins with `group`, without that.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view group) {
  while (!text.empty()) {
    const auto line = take_until(text, '\n');
    if (line.starts_with(group)) return line.substr(group.size());
  }
  return std::nullopt;
}

/// Those that stand in `file`: of 130 counters a few are wanted, so that each name is compared with
/// those few.
std::vector<TcpEvent> wanted_in(TcpCounterFile file, const TcpEventSet& wanted) {
  std::vector<TcpEvent> events;
  for (const auto event : kTcpEvents) {
    if (wanted.has(event) && describe(event).file == file) events.push_back(event);
  }
  return events;
}

tl::unexpected<Error> malformed(std::string_view group, std::string_view what) {
  return fail(ErrorKind::kMalformed, "the kernel's counters of " +
                                         std::string(group.substr(0, group.find(':'))) + ": " +
                                         std::string(what));
}

}  // namespace

Result<void> parse_tcp_counters(std::string_view text, TcpCounterFile file,
                                const TcpEventSet& wanted, TcpEventCounts& counts) {
  const auto group = group_of(file);
  auto names = take_line(text, group);
  auto numbers = take_line(text, group);
  if (!names || !numbers) return malformed(group, "they are missing");
  const auto events = wanted_in(file, wanted);
  auto found = counts;
  while (!names->empty() && !numbers->empty()) {
    const auto name = take_until(*names, ' ');
    const auto number = take_until(*numbers, ' ');
    const auto event = std::find_if(events.begin(), events.end(), [&](TcpEvent known) {
      return describe(known).counter == name;
    });
    if (event == events.end()) continue;
    const auto count = whole_number<std::uint64_t>(number);
    if (!count) return malformed(group, std::string(name) + " is no number");
    found.set(*event, *count);
  }
  if (!names->empty() || !numbers->empty()) {
    return malformed(group, "names and numbers are not as many");
  }
  counts = found;
  return {};
}

}  // namespace closewatch
