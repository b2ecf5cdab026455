// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/local_ports.h"

#include <optional>
#include <string>

#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

struct Range {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

bool take(std::string_view& text, char character) {
  if (!text.starts_with(character)) return false;
  text.remove_prefix(1);
  return true;
}

/// Two ports with `between` between them, the first no higher than the second.
std::optional<Range> take_range(std::string_view& text, char between) {
  const auto first = take_number<std::uint16_t>(text);
  if (!first) return std::nullopt;
  if (!take(text, between)) return Range{*first, *first};
  const auto last = take_number<std::uint16_t>(text);
  if (!last || *last < *first) return std::nullopt;
  return Range{*first, *last};
}

void set_all(PortSet& ports, const Range& range, bool value) {
  for (std::size_t port = range.first; port <= range.last; ++port) ports.set(port, value);
}

}  // namespace

Result<PortSet> parse_local_ports(std::string_view range, std::string_view reserved) {
  const auto malformed = [](std::string_view key) {
    return fail(ErrorKind::kMalformed, "net.ipv4." + std::string(key) + " is malformed");
  };
  PortSet ports;
  const auto whole = take_range(range, '\t');
  if (!whole || range != "\n") return malformed("ip_local_port_range");
  set_all(ports, *whole, true);
  bool more = reserved != "\n";
  while (more) {
    const auto some = take_range(reserved, '-');
    if (!some) return malformed("ip_local_reserved_ports");
    set_all(ports, *some, false);
    more = take(reserved, ',');
  }
  if (reserved != "\n") return malformed("ip_local_reserved_ports");
  return ports;
}

}  // namespace closewatch
