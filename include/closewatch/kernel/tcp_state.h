// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace closewatch {

/// A TCP socket's state, numbered as in the kernel's include/net/tcp_states.h. NEW_SYN_RECV (12) is
/// no member: inet_diag reports such requests as SYN_RECV (net/ipv4/inet_diag.c,
/// inet_req_diag_fill), as it reports a TIME_WAIT minisocket in FIN_WAIT2 as FIN_WAIT2.
enum class TcpState : std::uint8_t {
  kEstablished = 1,
  kSynSent = 2,
  kSynRecv = 3,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kTimeWait = 6,
  kClose = 7,
  kCloseWait = 8,
  kLastAck = 9,
  kListen = 10,
  kClosing = 11,
};

inline constexpr std::size_t kTcpStateCount = 11;

/// Every state, in the kernel's order.
inline constexpr std::array<TcpState, kTcpStateCount> kTcpStates = {
    TcpState::kEstablished, TcpState::kSynSent,  TcpState::kSynRecv, TcpState::kFinWait1,
    TcpState::kFinWait2,    TcpState::kTimeWait, TcpState::kClose,   TcpState::kCloseWait,
    TcpState::kLastAck,     TcpState::kListen,   TcpState::kClosing,
};

/// 0 for the first state, for indexing an array of kTcpStateCount.
constexpr std::size_t index_of(TcpState state) { return static_cast<std::size_t>(state) - 1; }

/// The state's bit in a request's mask (TCPF_* of include/net/tcp_states.h).
constexpr std::uint32_t bit_of(TcpState state) { return 1U << static_cast<unsigned>(state); }

/// Whether the kernel may keep a socket in this state as mere remains (inet_timewait_sock,
/// request_sock), of which inet_diag tells no cgroup and no tcp_info.
constexpr bool may_lack_cgroup(TcpState state) {
  return state == TcpState::kSynRecv || state == TcpState::kFinWait2 ||
         state == TcpState::kTimeWait;
}

/// nullopt for a number that is no state of a socket.
constexpr std::optional<TcpState> tcp_state_from(unsigned number) {
  if (number < 1 || number > kTcpStateCount) return std::nullopt;
  return static_cast<TcpState>(number);
}

/// "established", "close_wait" …: the label's value, and what `--state` takes.
std::string_view name_of(TcpState state);

std::optional<TcpState> tcp_state_named(std::string_view name);

}  // namespace closewatch
