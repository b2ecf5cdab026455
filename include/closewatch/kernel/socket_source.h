#pragma once

#include <cstdint>
#include <optional>

#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_row.h"

namespace closewatch {

/// Takes the rows of one network namespace as they come out of the kernel.
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
};

struct SocketQuery {
  static constexpr std::uint32_t kAllStates = 0xFFE;  // bits 1 … 11

  std::uint32_t states = kAllStates;  ///< a bit for each TcpState, see bit_of()
  bool tcp_info = false;              ///< ask for the ages as well, which costs copying
};

struct SocketReading {
  /// SO_NETNS_COOKIE: names the namespace for ever, unlike its inode number; Linux 5.14+.
  std::optional<std::uint64_t> namespace_cookie;
  unsigned repeats = 0;  ///< how often the kernel's answer was inconsistent and was asked for again
};

/// Where socket rows come from. Not thread-safe: it belongs to the scanner's thread.
class SocketSource {
 public:
  SocketSource() = default;
  SocketSource(const SocketSource&) = delete;
  SocketSource& operator=(const SocketSource&) = delete;
  virtual ~SocketSource() = default;

  /// Hands every TCP socket of the network namespace behind the descriptor `network_namespace` to
  /// `sink`. Only after success are the rows since the last restart() whole; after an error they
  /// must be dropped. Errors: kDenied (CAP_SYS_ADMIN is missing), kInterrupted (never consistent
  /// within the allowed repeats), kMalformed, kUnsupported (no tcp_diag in this kernel), kSystem.
  virtual Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                                     RowSink& sink) = 0;
};

}  // namespace closewatch
