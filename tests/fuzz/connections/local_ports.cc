// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/local_ports.h"

#include <string>

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {
namespace {

/// As proc_do_large_bitmap() of kernel/sysctl.c writes what is not in `ports`.
std::string encoded_rest(const PortSet& ports) {
  std::string text;
  for (std::size_t port = 0; port < ports.size(); ++port) {
    if (ports.test(port)) continue;
    const auto first = port;
    while (port + 1 < ports.size() && !ports.test(port + 1)) ++port;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (port > first) text += "-" + std::to_string(port);
  }
  return text + "\n";
}

}  // namespace

void attempt(std::string_view input) {
  const auto line_end =
      std::min(input.find('\n'), input.size() - std::min<std::size_t>(input.size(), 1));
  const auto range = input.substr(0, line_end + 1);
  const auto reserved = input.substr(range.size());
  const auto ports = parse_local_ports(range, reserved);
  if (!ports) return require(is_printable(ports.error().what), "an error is fit for a log");
  const auto again = parse_local_ports("0\t65535\n", encoded_rest(*ports));
  require(again && *again == *ports, "parsing what was written gives the same ports");
}

}  // namespace closewatch::fuzz
