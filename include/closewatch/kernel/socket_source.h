// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_row.h"

namespace closewatch {

/// Sockets of which nothing but their number is told.
struct SocketCount {
  TcpState state = TcpState::kClose;
  std::uint64_t sockets = 0;
  /// As SocketRow::cgroup_id; nullopt also where the source does not count by cgroup.
  std::optional<std::uint64_t> cgroup_id;
};

/// Takes the sockets of one network namespace as they come out of the kernel: each by a row, or
/// counted, never both. Those in CLOSE_WAIT and LISTEN always have rows.
class RowSink {
 public:
  RowSink() = default;
  RowSink(const RowSink&) = delete;
  RowSink& operator=(const RowSink&) = delete;
  virtual ~RowSink() = default;

  /// Forget every row so far: reading starts, or starts again because the answer was interrupted.
  virtual void restart() = 0;
  /// Called once for each socket; `row` is valid during the call only.
  virtual void row(const SocketRow& row) = 0;
  virtual void counted(const SocketCount& count) = 0;
  /// A port that once listened still has sockets, which are among those that were counted.
  virtual void port_in_use(std::uint16_t port) = 0;
};

struct SocketQuery {
  static constexpr std::uint32_t kAllStates = 0xFFE;  // bits 1 … 11

  std::uint32_t states = kAllStates;  ///< a bit for each TcpState, see bit_of()
  bool tcp_info = false;              ///< ask for the ages as well, which costs copying
};

struct SocketReading {
  /// SO_NETNS_COOKIE: names the namespace for ever, unlike its inode number; Linux 5.14+.
  std::optional<std::uint64_t> namespace_cookie;
};

/// Where socket rows come from. Not thread-safe: it belongs to the scanner's thread.
class SocketSource {
 public:
  SocketSource() = default;
  SocketSource(const SocketSource&) = delete;
  SocketSource& operator=(const SocketSource&) = delete;
  virtual ~SocketSource() = default;

  /// Whether reading one namespace may wait for what a process of it holds, as inet_diag does for
  /// the lock of a socket (tcp_get_info() in net/ipv4/tcp.c).
  [[nodiscard]] virtual bool may_hang() const { return true; }

  /// A new scan begins: nothing that was read before may be handed out any more. The namespace
  /// behind the descriptor `split` is shared by pods, and is to be told apart by cgroup.
  virtual void begin_scan(std::optional<int> split) = 0;

  /// Hands every TCP socket of the network namespace behind the descriptor `network_namespace` to
  /// `sink`. Only after success is what came since the last restart() whole; after an error it must
  /// be dropped. Errors: kDenied (CAP_SYS_ADMIN is missing), kInterrupted (never consistent
  /// within the allowed repeats), kMalformed, kUnsupported (no tcp_diag in this kernel), kSystem.
  virtual Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                                     RowSink& sink) = 0;
};

}  // namespace closewatch
