// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/peer.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <utility>

namespace closewatch {
namespace {

std::uint16_t port_that_counts(const CloseWaitSocket& socket) {
  return socket.direction == Direction::kInbound ? std::uint16_t{0} : socket.remote.port;
}

/// Below 0, 0 or above, as with memcmp.
int compare_peers(const CloseWaitSocket& a, const CloseWaitSocket& b) {
  if (const int by_address = std::memcmp(a.remote.address.bytes.data(),
                                         b.remote.address.bytes.data(), sizeof(IpAddress::bytes))) {
    return by_address;
  }
  const auto key = [](const CloseWaitSocket& socket) {
    return std::tuple(socket.remote.address.family, socket.direction, port_that_counts(socket));
  };
  if (key(a) == key(b)) return 0;
  return key(a) < key(b) ? -1 : 1;
}

/// A run of sockets of one peer.
struct Run {
  const CloseWaitSocket* first = nullptr;
  std::uint64_t sockets = 0;
  std::uint64_t stuck = 0;
};

bool is_worse(std::uint64_t stuck, std::uint64_t sockets, std::uint64_t than_stuck,
              std::uint64_t than_sockets) {
  return std::pair(stuck, sockets) > std::pair(than_stuck, than_sockets);
}

/// Keeps the worst, and sums up for each direction what is not kept.
class Ranking {
 public:
  explicit Ranking(std::size_t count) : count_(count) { kept_.reserve(count + 1); }

  void add(const Run& run) {
    const auto place = std::find_if(kept_.begin(), kept_.end(), [&](const Run& other) {
      return is_worse(run.stuck, run.sockets, other.stuck, other.sockets);
    });
    kept_.insert(place, run);
    if (kept_.size() <= count_) return;
    const auto& dropped = kept_.back();
    auto& rest = rest_.at(static_cast<std::size_t>(dropped.first->direction));
    rest.sockets += dropped.sockets;
    rest.stuck += dropped.stuck;
    kept_.pop_back();
  }

  [[nodiscard]] std::vector<PeerSums> result() const {
    std::vector<PeerSums> peers;
    for (const auto& run : kept_) {
      const auto& remote = run.first->remote;
      const bool inbound = run.first->direction == Direction::kInbound;
      peers.push_back({run.first->direction, inbound ? text_of(remote.address) : text_of(remote),
                       run.sockets, run.stuck});
    }
    for (const auto direction : kDirections) {
      const auto& rest = rest_.at(static_cast<std::size_t>(direction));
      if (rest.sockets > 0) peers.push_back({direction, kOtherPeers, rest.sockets, rest.stuck});
    }
    return peers;
  }

 private:
  std::size_t count_;
  std::vector<Run> kept_;  // worst first; as few as to make a search cheap
  std::array<Run, kDirections.size()> rest_;
};

}  // namespace

std::string text_of(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_v4 = address.family == AddressFamily::kIpv4;
  ::inet_ntop(is_v4 ? AF_INET : AF_INET6, address.bytes.data(), text.data(), text.size());
  return is_v4 ? std::string(text.data()) : "[" + std::string(text.data()) + "]";
}

std::string text_of(const Endpoint& endpoint) {
  return text_of(endpoint.address) + ":" + std::to_string(endpoint.port);
}

std::vector<PeerSums> worst_peers(std::span<CloseWaitSocket> sockets,
                                  std::chrono::milliseconds stuck_after, std::size_t count) {
  std::sort(sockets.begin(), sockets.end(),
            [](const auto& a, const auto& b) { return compare_peers(a, b) < 0; });
  Ranking ranking(count);
  for (std::size_t i = 0; i < sockets.size();) {
    Run run{&sockets[i]};
    for (; i < sockets.size() && compare_peers(*run.first, sockets[i]) == 0; ++i) {
      ++run.sockets;
      if (sockets[i].age >= stuck_after) ++run.stuck;
    }
    ranking.add(run);
  }
  return ranking.result();
}

std::vector<PeerSums> merged_peers(std::vector<PeerSums> peers, std::size_t count) {
  const auto is_other = [](const PeerSums& peer) { return peer.peer == kOtherPeers; };
  const auto rank = [&](const PeerSums& peer) {
    return std::tuple(is_other(peer), -static_cast<std::int64_t>(peer.stuck),
                      -static_cast<std::int64_t>(peer.sockets), peer.direction);
  };
  std::vector<PeerSums> merged;
  for (auto& peer : peers) {
    const auto same = std::find_if(merged.begin(), merged.end(), [&](const PeerSums& known) {
      return known.direction == peer.direction && known.peer == peer.peer;
    });
    if (same == merged.end()) {
      merged.push_back(std::move(peer));
    } else {
      same->sockets += peer.sockets;
      same->stuck += peer.stuck;
    }
  }
  std::stable_sort(merged.begin(), merged.end(),
                   [&](const PeerSums& a, const PeerSums& b) { return rank(a) < rank(b); });
  const auto named = static_cast<std::size_t>(std::count_if(
      merged.begin(), merged.end(), [&](const auto& peer) { return !is_other(peer); }));
  if (named <= count) return merged;
  for (std::size_t i = count; i < named; ++i) merged[i].peer = kOtherPeers;
  return merged_peers(std::move(merged), count);
}

}  // namespace closewatch
