// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "closewatch/kernel/socket_row.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// Who began the connection.
enum class Direction : std::uint8_t {
  kInbound,   ///< the peer
  kOutbound,  ///< the pod
};
inline constexpr std::array kDirections = {Direction::kInbound, Direction::kOutbound};
/// The `direction` label.
std::string_view name_of(Direction direction);

/// The call that the application still owes to a socket in CLOSE_WAIT.
enum class OwedCall : std::uint8_t {
  kAccept,  ///< it sits in the listen queue
  kRead,    ///< data or the end-of-file have not been read
  kClose,   ///< nothing is left to read and the descriptor is kept: the classic leak
};
inline constexpr std::array kOwedCalls = {OwedCall::kAccept, OwedCall::kRead, OwedCall::kClose};
/// The `owes` label.
std::string_view name_of(OwedCall owes);

/// No container that is known.
inline constexpr ContainerIndex kNoContainer = 0xFFFF;
/// A container of another pod, whose process stood in the namespace.
inline constexpr ContainerIndex kForeignContainer = 0xFFFE;

/// The owner of a socket that another pod's container has made, by its place in Diagnosis::owners.
using OwnerIndex = std::uint8_t;

/// A socket in CLOSE_WAIT: the part of a SocketRow that a diagnosis is made from, and what it came
/// to.
struct CloseWaitSocket {
  std::uint64_t cookie = 0;
  std::uint64_t cgroup_id = kUnknownCgroup;  ///< that made it, whose ever that is
  std::chrono::nanoseconds age{};   ///< in CLOSE_WAIT, never overstated by more than a kernel tick
  Endpoint local;                   ///< a v4-mapped address as the IPv4 address that it is
  Endpoint remote;                  ///< likewise
  std::uint32_t inode = 0;          ///< 0: not accepted yet
  std::uint32_t receive_queue = 0;  ///< unread bytes, the FIN counting as one
  Binding binding;
  ContainerIndex container = kNoContainer;
  OwnerIndex owner = 0;  ///< only with kForeignContainer, in the lists of a diagnosis
  Direction direction = Direction::kOutbound;
  OwedCall owes = OwedCall::kClose;

  /// The kernel named the cgroup, even if that is of no container.
  [[nodiscard]] bool cgroup_known() const { return cgroup_id != kUnknownCgroup; }
  /// Data that the application has not read.
  [[nodiscard]] std::uint32_t unread_bytes() const {
    return receive_queue > 0 ? receive_queue - 1 : 0;
  }
};

/// ::ffff:10.0.0.1 as 10.0.0.1, all else as it is.
Endpoint unmapped(Endpoint endpoint);

/// What one row tells by itself: the age as far as the last ACK tells (never later than the FIN's),
/// and what the application owes. Container and direction are for whoever sees more than a row.
///
/// idiag_inode is 0 until accept() makes a file of the socket; idiag_rqueue is rcv_nxt - copied_seq
/// (tcp_diag_get_info() in net/ipv4/tcp_diag.c), in which a FIN takes one until recvmsg() comes
/// across it: when it tells the end-of-file, but also when it takes the last data and the FIN is
/// there already (found_fin_ok in net/ipv4/tcp.c). So who owes close() may not have been told yet.
CloseWaitSocket close_wait_socket(const SocketRow& row);

}  // namespace closewatch
