// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "closewatch/kernel/socket_source.h"
#include "kernel/told_once.h"

namespace closewatch {

/// Reads sockets from the text that the kernel writes of them, which takes no capability. Each read
/// costs what two dumps by inet_diag cost and the writing of the text besides.
///
/// Its descriptor of a namespace is that of a directory /proc/PID/net (NamespaceAccess::kText).
/// Rows have no age, no cgroup and, for LISTEN, no limit (see proc_net_tcp.h), and a reading names
/// no namespace cookie. The kernel does not tell when a bucket of its table has changed between two
/// pieces of text: a socket that was there all the time may be missed then, but none is handed over
/// twice (see ToldOnce).
class ProcfsSource final : public SocketSource {
 public:
  ProcfsSource();

  void begin_scan(std::optional<int> /*split*/) override {}  // it keeps nothing
  /// Errors: kGone when the process has ended, kMalformed, kSystem.
  Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                             RowSink& sink) override;

 private:
  Result<void> read_file(int directory, const char* file, const SocketQuery& query, RowSink& sink);
  static Result<std::size_t> take_lines(std::string_view text, bool& heading,
                                        const SocketQuery& query, RowSink& sink);

  std::vector<char> buffer_;
  RecentCookies seen_;
};

}  // namespace closewatch
