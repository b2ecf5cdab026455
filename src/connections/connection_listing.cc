// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/connection_listing.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "closewatch/base/comma_separated.h"

namespace closewatch {
namespace {

/// Higher is worse.
auto badness(const ListedPeer& peer) {
  return std::pair(peer.share(), peer.connections.states.total());
}

bool is_worse(const ListedPeer& a, const ListedPeer& b) {
  if (badness(a) != badness(b)) return badness(a) > badness(b);
  return std::tie(a.pod, a.connections.peer) < std::tie(b.pod, b.connections.peer);
}

}  // namespace

Result<std::uint32_t> parse_states(std::string_view list) {
  std::uint32_t states = 0;
  for (const auto word : comma_separated(list)) {
    const auto state = tcp_state_named(word);
    if (!state) {
      std::string names;
      for (const auto known : kTcpStates) {
        names += (names.empty() ? "" : ", ") + std::string(name_of(known));
      }
      return fail(ErrorKind::kMalformed,
                  "'" + std::string(word) + "' is no state; known are " + names);
    }
    states |= bit_of(*state);
  }
  return states;
}

bool UnlistedPod::is_gap() const {
  return reason != Visibility::kSandboxed && reason != Visibility::kNoProcess &&
         reason != Visibility::kHostNetwork && reason != Visibility::kExcluded;
}

ConnectionTally::Settings ConnectionListing::settings() const {
  return {query_.states, query_.by_peer ? 0 : kMost - sockets_.size(), kMost};
}

void ConnectionListing::add(std::size_t pod, ConnectionTally& tally, const PortSet& local) {
  std::uint64_t with_peer = 0;
  for (auto& peer : tally.peers()) {
    with_peer += peer.states.total();
    peers_.push_back({pod, peer, local.count()});
  }
  bool is_whole = tally.without_peer() == 0;
  if (peers_.size() > kMost) {
    std::sort(peers_.begin(), peers_.end(), is_worse);
    peers_.resize(kMost);
    is_whole = false;
  }
  if (query_.by_peer) {
    total_ += with_peer + tally.without_peer();
    cut_ |= !is_whole;
    return;
  }
  total_ += tally.total();
  cut_ |= tally.sockets().size() < tally.total();
  for (const auto& socket : tally.sockets()) sockets_.push_back({pod, socket, std::nullopt});
}

bool ConnectionListing::is_whole() const {
  return !cut_ && std::none_of(unlisted_.begin(), unlisted_.end(),
                               [](const UnlistedPod& pod) { return pod.is_gap(); });
}

void ConnectionListing::finish() {
  std::sort(peers_.begin(), peers_.end(), is_worse);
  if (query_.by_peer) return;
  std::map<std::pair<std::size_t, ConnectionPeer>, std::size_t> places;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    places.emplace(std::pair(peers_[i].pod, peers_[i].connections.peer), i);
  }
  // Those that listen, and those of peers without room, come last.
  std::vector<std::pair<std::size_t, std::size_t>> order;
  order.reserve(sockets_.size());
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const auto& [pod, socket, process] = sockets_[i];
    const auto place = socket.state == TcpState::kListen
                           ? places.end()
                           : places.find(std::pair(pod, socket.peer()));
    order.emplace_back(place == places.end() ? peers_.size() : place->second, i);
  }
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const auto& one) {
      const auto& listed = sockets_[one.second];
      return std::tie(one.first, listed.pod, listed.socket.remote, listed.socket.local,
                      listed.socket.state);
    };
    return key(a) < key(b);
  });
  std::vector<ListedConnection> sorted;
  sorted.reserve(sockets_.size());
  for (const auto& [rank, i] : order) sorted.push_back(std::move(sockets_[i]));
  sockets_ = std::move(sorted);
  peers_.clear();
}

}  // namespace closewatch
