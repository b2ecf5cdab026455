#include "closewatch/kernel/tcp_traffic.h"

#include <algorithm>

#include "closewatch/base/file.h"
#include "closewatch/node/namespace_entry.h"

namespace closewatch {

Result<std::string> tcp_traffic(int network_namespace) {
  auto entry = NamespaceEntry::make();
  if (!entry) return tl::unexpected(entry.error());
  std::string text;
  Result<void> read;
  const auto done = entry->run(network_namespace, [&] {
    read = read_file_at(kWorkingDirectory, "/proc/thread-self/net/snmp", text);
  });
  if (!done) return tl::unexpected(done.error());
  if (!read) return tl::unexpected(read.error());
  return tcp_lines(text);
}

std::string tcp_lines(std::string_view snmp) {
  std::string lines;
  while (!snmp.empty()) {
    const auto line = snmp.substr(0, std::min(snmp.find('\n'), snmp.size() - 1) + 1);
    if (line.substr(0, 4) == "Tcp:") lines += line;
    snmp.remove_prefix(line.size());
  }
  return lines;
}

}  // namespace closewatch
