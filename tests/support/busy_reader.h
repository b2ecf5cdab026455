// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>

#include "closewatch/base/unique_fd.h"

namespace closewatch::testing {

/// A thread that reads from a socket into memory that is not there yet. The kernel waits for it
/// with the socket's lock held (tcp_recvmsg() in net/ipv4/tcp.c, lock_sock() to release_sock()), so
/// what comes meanwhile waits in the socket's backlog. It goes on with the end of this object.
class BusyReader {
 public:
  /// There must be something to read. Returns once the kernel waits; throws where it cannot.
  explicit BusyReader(int socket);
  BusyReader(const BusyReader&) = delete;
  BusyReader& operator=(const BusyReader&) = delete;
  BusyReader(BusyReader&&) = delete;
  BusyReader& operator=(BusyReader&&) = delete;
  ~BusyReader();

 private:
  UniqueFd faults_;
  std::span<std::byte> page_;
  std::thread reader_;
};

/// Sends segments of a connection over IPv4's loopback that neither end has made: with an ACK,
/// `size` bytes, and numbers far from the connection's own. They take a raw socket.
void send_stray_segments(std::uint16_t from, std::uint16_t to, std::size_t size, int count);

}  // namespace closewatch::testing
