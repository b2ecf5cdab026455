// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_row.h"

namespace closewatch {

/// A TCP socket whose connection is over while a process holds its descriptor: it is in no table of
/// the kernel's. Or one that has still to wait for the last ACK.
struct HeldSocket {
  SocketRow row;          ///< of the state CLOSE, or LAST_ACK; the ports and addresses that it had
  bool accepted = false;  ///< the peer has begun the connection, for certain
  std::uint32_t space = 0;  ///< inode number of its network namespace
  pid_t pid = 0;            ///< of a process that holds it; 0: outside our PID namespace
  std::string comm;         ///< its name, printable ASCII
};

/// Finds such sockets among the open files of all processes. What nobody has open, it does not see:
/// sockets on their way to another process (SCM_RIGHTS), or registered with io_uring and closed.
/// Belongs to one thread.
class HeldSocketSource {
 public:
  /// How many are told at most.
  static constexpr std::size_t kMost = std::size_t{1} << 20U;

  HeldSocketSource() = default;
  HeldSocketSource(const HeldSocketSource&) = delete;
  HeldSocketSource& operator=(const HeldSocketSource&) = delete;
  virtual ~HeldSocketSource() = default;

  /// Each once, however many descriptors and processes it has, in no order. Waits for no process.
  /// O(open files of the machine). Errors: kOverLimit when there are more than kMost, kSystem.
  virtual Result<std::vector<HeldSocket>> read() = 0;
};

/// By a program in the kernel (Linux 5.15). Errors are sentences that name what is missing:
/// kUnsupported, kDenied, kSystem. `details` gets all that libbpf and the kernel said of a program
/// that was refused.
Result<std::unique_ptr<HeldSocketSource>> make_held_socket_source(
    std::vector<std::string>& details);

}  // namespace closewatch
