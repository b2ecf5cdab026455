// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/pod_objects.h"
#include "closewatch/node/process_stats.h"
#include "closewatch/pods/socket_owners.h"

/// What the two processes tell each other beside snapshots. What is unpacked is checked: an error
/// is kMalformed, and no part of it is to be used. All pure.
namespace closewatch::crossing {

/// What the scanner tells.
enum class ToNetwork : std::uint8_t { kSnapshot, kPulse, kHolders };
/// What the network's process tells.
enum class ToScanner : std::uint8_t { kReady, kEcho, kNames, kWhoHolds };

/// As much as a snapshot may take: those of hundreds of pods that each listen at every port there
/// is.
inline constexpr std::size_t kMostOfSnapshot = std::size_t{256} << 20U;

/// That the scanner lives, now and then.
struct Pulse {
  bool alive = true;  ///< the scan loop does
  ProcessStats scanner;
  ProcessStats network;
};
std::string pack(const Pulse& pulse);
Result<Pulse> unpack_pulse(std::string_view bytes);

/// All that the API server has told of pods, and whether it can be followed: in place of what was
/// told before. At most kMostPods; no name is one that Kubernetes does not allow.
struct Names {
  std::vector<PodObject> pods;
  Result<void> state;
};
std::string pack(const Names& names);
Result<Names> unpack_names(std::string_view bytes);

/// Asks for the processes that have sockets of a pod open.
struct WhoHolds {
  std::uint64_t number = 0;  ///< of the question, for its answer
  std::string uid;           ///< the pod's, in the last snapshot
  std::vector<std::uint32_t> inodes;
};
inline constexpr std::size_t kMostInodes = 65'536;
std::string pack(const WhoHolds& question);
Result<WhoHolds> unpack_who_holds(std::string_view bytes);

/// The answer.
struct Holders {
  std::uint64_t number = 0;
  SocketOwnerList list;
};
std::string pack(const Holders& holders);
Result<Holders> unpack_holders(std::string_view bytes);

}  // namespace closewatch::crossing
