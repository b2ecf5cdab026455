// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/tcp_traffic.h"

#include <algorithm>

#include "closewatch/base/file.h"
#include "closewatch/node/namespace_entry.h"

namespace closewatch {
namespace {

/// What begins like this, line by line.
std::string lines_of(std::string_view file, std::string_view beginning) {
  std::string lines;
  while (!file.empty()) {
    const auto line = file.substr(0, std::min(file.find('\n'), file.size() - 1) + 1);
    if (line.starts_with(beginning)) lines += line;
    file.remove_prefix(line.size());
  }
  return lines;
}

}  // namespace

Result<TcpTraffic> tcp_traffic(int network_namespace) {
  auto entry = NamespaceEntry::make();
  if (!entry) return tl::unexpected(entry.error());
  std::string snmp;
  std::string netstat;
  Result<void> read;
  const auto done = entry->run(network_namespace, [&] {
    read = read_file_at(kWorkingDirectory, "/proc/thread-self/net/snmp", snmp);
    if (read) read = read_file_at(kWorkingDirectory, "/proc/thread-self/net/netstat", netstat);
  });
  if (!done) return tl::unexpected(done.error());
  if (!read) return tl::unexpected(read.error());
  return parse_tcp_traffic(snmp, netstat);
}

TcpTraffic parse_tcp_traffic(std::string_view snmp, std::string_view netstat) {
  const auto mptcp = lines_of(netstat, "MPTcpExt:");
  const auto numbers = mptcp.rfind("MPTcpExt:");  // in the last line; the others are names
  const bool used = numbers != std::string::npos &&
                    mptcp.find_first_of("123456789", numbers) != std::string::npos;
  return {lines_of(snmp, "Tcp:"), used};
}

}  // namespace closewatch
