// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "closewatch/diagnosis/close_wait_socket.h"
#include "closewatch/diagnosis/owner.h"
#include "closewatch/diagnosis/peer.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// What a diagnosis shall tell.
struct DiagnosisSettings {
  std::chrono::milliseconds stuck_after = std::chrono::minutes(1);
  std::size_t peers = 3;      ///< how many of a pod's peers are named; 0: none, nor the rest
  std::size_t sockets = 500;  ///< how many of a pod's sockets are listed, the oldest first
  /// Whether sockets are looked for whose connections are over while a process holds them, where
  /// that can be done.
  bool held_sockets = true;
};

/// The label of sockets whose container nobody knows: an empty one would be filled by the scraper.
inline constexpr const char* kUnknownContainer = "unknown";

/// A container's name; without one the first 12 digits of its id, as `crictl ps` shows it.
std::string label_of(const Container& container);
/// Of a socket: that of its container, kOtherPod or kUnknownContainer.
std::string label_of(const std::vector<Container>& containers, ContainerIndex container);

/// One container's sockets in CLOSE_WAIT.
struct ContainerDiagnosis {
  std::string container;
  std::array<std::array<std::uint64_t, kOwedCalls.size()>, kDirections.size()> sockets{};
  std::uint64_t stuck = 0;

  [[nodiscard]] std::uint64_t of(Direction direction, OwedCall owes) const {
    return sockets.at(static_cast<std::size_t>(direction)).at(static_cast<std::size_t>(owes));
  }
  bool operator==(const ContainerDiagnosis&) const = default;
};

/// What a pod's sockets in CLOSE_WAIT come to. Those counts that the counters of the states do not
/// hold already.
struct Diagnosis {
  std::vector<ContainerDiagnosis> containers;  ///< by label, each once: all that have a name (or
                                               ///< kUnknownContainer when none has), zeros
                                               ///< included, and others that have sockets, among
                                               ///< them kOtherPod
  std::chrono::milliseconds oldest{};          ///< 0 when there is none
  std::uint64_t unread_bytes = 0;
  std::uint64_t entered = 0;             ///< since the pod is watched, see CloseWaitHistory
  std::uint64_t left = 0;                ///< likewise
  std::vector<PeerSums> peers;           ///< see worst_peers()
  std::vector<OwnerSums> owners;         ///< of the sockets of kOtherPod, see merged_owners()
  std::vector<CloseWaitSocket> sockets;  ///< the oldest, as many as were asked for

  [[nodiscard]] std::uint64_t stuck() const;
  [[nodiscard]] std::uint64_t of(Direction direction) const;
  [[nodiscard]] std::uint64_t of(OwedCall owes) const;
  /// Adds what a pod of the same name has, but for its list of sockets, of which the containers
  /// have no meaning here. `peer_count` as DiagnosisSettings::peers.
  void add(const Diagnosis& other, std::size_t peer_count);
};

/// Sums up the sockets of one pod, whose ages, directions and containers are known. Puts `sockets`
/// into another order. Pure; O(n log n), allocates nothing for a socket but for those it lists.
/// The owners are for ForeignOwners to name.
Diagnosis diagnose(std::span<CloseWaitSocket> sockets, const std::vector<Container>& containers,
                   const DiagnosisSettings& settings);

}  // namespace closewatch
