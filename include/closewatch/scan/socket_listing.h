// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/namesakes.h"

namespace closewatch {

struct ListedSocket {
  CloseWaitSocket socket;
  std::string container;
  std::optional<SocketOwner> process;  ///< that has it open; nullopt: none is found
  std::optional<PodContainer> owner;   ///< another pod's, where `container` is kOtherPod
  bool held = false;                   ///< its connection is over, else it is in CLOSE_WAIT
};
/// The state of a socket that is listed: "close" or "close_wait".
std::string_view state_name_of(const ListedSocket& listed);

/// A pod's sockets in CLOSE_WAIT, and those that are held after that, the oldest first: all, or as
/// many as the snapshot keeps.
struct SocketListing {
  std::string pod_namespace;
  std::string pod;
  Visibility visibility = Visibility::kNoProcess;
  std::string detail;       ///< why it is not visible
  std::uint64_t total = 0;  ///< how many there are
  std::vector<ListedSocket> sockets;
  std::string processes_missing;  ///< why the process of some may be missing; empty: none is

  [[nodiscard]] bool cut() const { return sockets.size() < total; }
  /// Whether any socket is another pod's.
  [[nodiscard]] bool has_owners() const;
};

/// Finds the processes of a pod's sockets, by inode number.
using OwnersOf = std::function<SocketOwnerList(const Pod& pod, std::vector<std::uint32_t> inodes)>;

/// Of pods of one name, of which there is at least one.
SocketListing list_sockets(Namesakes pods, const OwnersOf& owners_of);

}  // namespace closewatch
