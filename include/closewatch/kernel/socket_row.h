// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "closewatch/kernel/tcp_state.h"

namespace closewatch {

enum class AddressFamily : std::uint8_t { kIpv4, kIpv6 };

/// An address in network byte order; IPv4 fills the first four bytes. A v4-mapped address of a
/// dual-stack socket stays IPv6 here, as the kernel reports it.
struct IpAddress {
  AddressFamily family = AddressFamily::kIpv4;
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const IpAddress&) const = default;  // NOLINT(modernize-use-nullptr): not here
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;  ///< host byte order

  auto operator<=>(const Endpoint&) const = default;  // NOLINT(modernize-use-nullptr): likewise
};

/// The id of the root cgroup, which the kernel also gives for a socket whose creator's cgroup it
/// does not know, as for all of them without cgroup v2.
inline constexpr std::uint64_t kUnknownCgroup = 1;

/// SocketRow::send_queue of a listener whose accept queue has no known limit.
inline constexpr std::uint32_t kNoAcceptLimit = 0xFFFF'FFFF;

/// What a socket's own settings tell of who began its connection; nullopt where the source does not
/// see them. An accepted socket has its listener's, but for the port (sk_clone() in
/// net/core/sock.c).
struct Binding {
  /// bind() gave it its port: SOCK_BINDPORT_LOCK.
  std::optional<bool> port = std::nullopt;
  /// bind() gave it its address: SOCK_BINDADDR_LOCK.
  std::optional<bool> address = std::nullopt;
  /// IP_TRANSPARENT: its address may be another's.
  std::optional<bool> transparent = std::nullopt;
  /// IP_BIND_ADDRESS_NO_PORT, which is for those that dial.
  std::optional<bool> late_port = std::nullopt;
};

/// One TCP socket as the kernel describes it, with all that closewatch draws conclusions from.
/// Source: struct inet_diag_msg and its attributes, linux/inet_diag.h.
struct SocketRow {
  TcpState state = TcpState::kClose;
  Endpoint local;
  Endpoint remote;
  /// Unique among the sockets of its network namespace: sock_gen_cookie(), which is not reused, or
  /// what the source makes of the socket's other fields. The same source gives the same socket the
  /// same.
  std::uint64_t cookie = 0;
  /// Inode of the socket file; 0 while no process has accepted the connection, and for minisockets.
  std::uint32_t inode = 0;
  /// Unread bytes, a FIN counting as one; for LISTEN the connections that wait for accept().
  std::uint32_t receive_queue = 0;
  /// Unacknowledged bytes; for LISTEN the limit of the accept queue, or kNoAcceptLimit.
  std::uint32_t send_queue = 0;
  /// INET_DIAG_CGROUP_ID: cgroup v2 id of the creator (Linux 5.8+), kUnknownCgroup when the kernel
  /// does not know; nullopt where it gives none: older kernels, and minisockets (TIME_WAIT,
  /// SYN_RECV) on all.
  std::optional<std::uint64_t> cgroup_id;
  /// tcpi_last_ack_recv: milliseconds since the last ACK came in; only when tcp_info was asked for.
  std::optional<std::uint32_t> last_ack_received_ms;
  Binding binding;
};

}  // namespace closewatch
