// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/socket_listing.h"

#include <algorithm>
#include <utility>

namespace closewatch {
namespace {

void list_held(const PodSnapshot& pod, SocketListing& listing) {
  listing.total += pod.held->total();
  for (const auto& held : pod.held->sockets) {
    auto& listed = listing.sockets.emplace_back();
    listed.socket = held.socket;
    listed.socket.age += pod.held_ago;
    listed.container = label_of(pod.containers, held.socket.container);
    listed.held = true;
    if (held.socket.container == kForeignContainer) {
      listed.owner = pod.held->owners.at(held.socket.owner).owner;
    }
    if (held.pid != 0) listed.process = SocketOwner{held.pid, held.comm, held.socket.container};
  }
}

void list_pod(const PodSnapshot& pod, const OwnersOf& owners_of, SocketListing& listing) {
  listing.total += pod.sums.states.of(TcpState::kCloseWait);
  std::vector<std::uint32_t> inodes;
  for (const auto& socket : pod.diagnosis.sockets) {
    if (socket.inode != 0) inodes.push_back(socket.inode);
  }
  const auto owners = inodes.empty() ? SocketOwnerList{} : owners_of(pod, std::move(inodes));
  if (owners.error) listing.processes_missing = owners.error->what;
  for (const auto& socket : pod.diagnosis.sockets) {
    auto& listed = listing.sockets.emplace_back();
    listed.socket = socket;
    listed.container = label_of(pod.containers, socket.container);
    if (socket.container == kForeignContainer) {
      listed.owner = pod.diagnosis.owners.at(socket.owner).owner;
    }
    const auto owner = owners.by_inode.find(socket.inode);
    if (owner != owners.by_inode.end()) listed.process = owner->second;
  }
  if (pod.held != nullptr) list_held(pod, listing);
}

}  // namespace

std::string_view state_name_of(const ListedSocket& listed) {
  return name_of(listed.held ? TcpState::kClose : TcpState::kCloseWait);
}

bool SocketListing::has_owners() const {
  return std::any_of(sockets.begin(), sockets.end(),
                     [](const ListedSocket& listed) { return listed.owner.has_value(); });
}

SocketListing list_sockets(Namesakes pods, const OwnersOf& owners_of) {
  SocketListing listing;
  listing.pod_namespace = pods.front().pod_namespace;
  listing.pod = pods.front().name;
  listing.visibility = visibility_of(pods);
  for (const auto& pod : pods) {
    if (pod.visibility == listing.visibility) listing.detail = pod.detail;
  }
  if (listing.visibility != Visibility::kVisible) return listing;
  for (const auto& pod : pods) list_pod(pod, owners_of, listing);
  std::stable_sort(
      listing.sockets.begin(), listing.sockets.end(),
      [](const ListedSocket& a, const ListedSocket& b) { return a.socket.age > b.socket.age; });
  return listing;
}

}  // namespace closewatch
