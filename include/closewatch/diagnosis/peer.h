// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "closewatch/diagnosis/close_wait_socket.h"

namespace closewatch {

/// Who is at the other end of a pod's CLOSE_WAIT sockets.
struct PeerSums {
  Direction direction = Direction::kOutbound;
  std::string peer;           ///< "10.0.0.1:443", inbound "10.0.0.1"; kOtherPeers for the rest
  std::uint64_t sockets = 0;  ///< in CLOSE_WAIT
  std::uint64_t stuck = 0;    ///< of these, older than stuck_after

  bool operator==(const PeerSums&) const = default;
};

inline constexpr const char* kOtherPeers = "other";

/// "10.0.0.1", "[fd00::1]".
std::string text_of(const IpAddress& address);
/// "10.0.0.1:443", "[fd00::1]:443".
std::string text_of(const Endpoint& endpoint);

/// The `count` peers with most stuck sockets (then with most sockets), the worst first, and after
/// them for each direction the rest together, if there is any. An outbound peer is an address and
/// port, what the pod calls; an inbound one is an address, as its port differs with each
/// connection. Puts `sockets` into another order; O(n log n), allocates for the result only.
std::vector<PeerSums> worst_peers(std::span<CloseWaitSocket> sockets,
                                  std::chrono::milliseconds stuck_after, std::size_t count);

/// The same of several lists made by it, which may lack those peers that were no list's worst.
std::vector<PeerSums> merged_peers(std::vector<PeerSums> peers, std::size_t count);

}  // namespace closewatch
