#include "closewatch/events/tcp_counters.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

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

std::optional<TcpEvent> event_counted_by(std::string_view counter, TcpCounterFile file,
                                         const TcpEventSet& wanted) {
  const auto* const event = std::find_if(kTcpEvents.begin(), kTcpEvents.end(), [&](TcpEvent known) {
    return describe(known).counter == counter && describe(known).file == file;
  });
  if (event == kTcpEvents.end() || !wanted.has(*event)) return std::nullopt;
  return *event;
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
  auto found = counts;
  while (!names->empty() && !numbers->empty()) {
    const auto name = take_until(*names, ' ');
    const auto number = take_until(*numbers, ' ');
    const auto event = event_counted_by(name, file, wanted);
    if (!event) continue;
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
