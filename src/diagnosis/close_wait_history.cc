// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/close_wait_history.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace closewatch {

using std::chrono::steady_clock;

namespace {

/// What came into CLOSE_WAIT while it was read may not be in a reading, and is older than its end.
constexpr std::chrono::seconds kLongestReading{1};

/// `listens`: the local port does, or did. `proxied`: so does, or did, one that accepts what is for
/// other addresses.
Direction direction_of(const CloseWaitSocket& socket, bool listens, bool proxied) {
  // Below it no port is given to who does not ask, unless net.ipv4.ip_local_port_range says so.
  constexpr std::uint16_t kFirstEphemeral = 32'768;
  const auto& binding = socket.binding;
  if (socket.owes == OwedCall::kAccept) return Direction::kInbound;
  if (binding.port == true) return Direction::kOutbound;
  if (listens) return Direction::kInbound;
  if (binding.transparent != true || !proxied) return Direction::kOutbound;
  // Accepted by TPROXY, or dialled in another's name, for which the address must be bound.
  if (binding.address == false) return Direction::kInbound;
  if (binding.late_port == true) return Direction::kOutbound;
  return socket.local.port < kFirstEphemeral ? Direction::kInbound : Direction::kOutbound;
}

/// What a connection is called whoever names it.
using ConnectionName = std::pair<Endpoint, Endpoint>;

ConnectionName name_of(const CloseWaitSocket& socket) { return {socket.local, socket.remote}; }

/// Goes through what is known by cookie, as far as `cookie`: hands those before it to `passed` and
/// takes it off as well, if it is there.
template <typename Known, typename Passed>
const Known* take(std::span<const Known>& known, std::uint64_t cookie, Passed passed) {
  for (; !known.empty() && known.front().cookie < cookie; known = known.subspan(1)) {
    passed(known.front());
  }
  if (known.empty() || known.front().cookie != cookie) return nullptr;
  const auto* const found = known.data();
  known = known.subspan(1);
  return found;
}

}  // namespace

void CloseWaitHistory::observe(const NamespaceIdentity& space, steady_clock::time_point now,
                               SocketTally& tally) {
  auto& known = spaces_[space];
  known.seen = true;
  update_ports(known, tally);
  known.transparent_listener |= tally.has_transparent_listener();
  const auto sockets = tally.close_wait();
  for (auto& socket : sockets) {
    const bool listens =
        std::binary_search(known.ports.begin(), known.ports.end(), socket.local.port);
    socket.direction = direction_of(socket, listens, known.transparent_listener);
  }
  update_sockets(known, now, sockets);
}

void CloseWaitHistory::rename(const NamespaceIdentity& space, steady_clock::time_point now,
                              std::span<const CloseWaitSocket> before,
                              std::span<const CloseWaitSocket> after, Trust trust) {
  std::map<ConnectionName, const CloseWaitSocket*> gone;
  for (const auto& socket : before) gone.emplace(name_of(socket), &socket);
  std::vector<Known> known;
  for (const auto& socket : after) {
    const auto same = gone.find(name_of(socket));
    if (same == gone.end()) continue;
    known.push_back({socket.cookie, now - same->second->age, socket.inode});
    gone.erase(same);
  }
  if (trust == Trust::kAll) {
    for (const auto& [name, socket] : gone) {
      known.push_back({socket->cookie, now - socket->age, socket->inode});
    }
  } else {
    spaces_[space].missing.clear();
  }
  std::sort(known.begin(), known.end(),
            [](const Known& a, const Known& b) { return a.cookie < b.cookie; });
  spaces_[space].sockets = std::move(known);
}

void CloseWaitHistory::forget_names() {
  for (auto& [identity, space] : spaces_) {
    space.sockets.clear();
    space.missing.clear();
  }
}

void CloseWaitHistory::begin_scan() {
  for (auto& [identity, space] : spaces_) space.seen = space.fresh = false;
  counted_before_ = counts_entries_;
}

void CloseWaitHistory::end_scan() {
  for (auto space = spaces_.begin(); space != spaces_.end();) {
    if (space->second.seen) {
      ++space;
    } else {
      entered_ += space->second.entered;
      left_ += space->second.left + space->second.sockets.size() + space->second.missing.size();
      space = spaces_.erase(space);
    }
  }
  counts_entries_ = true;
}

void CloseWaitHistory::disown_new() {
  std::erase_if(spaces_, [](const auto& entry) { return entry.second.fresh; });
  counts_entries_ = counted_before_;
}

std::uint64_t CloseWaitHistory::entered() const {
  return std::accumulate(
      spaces_.begin(), spaces_.end(), entered_,
      [](std::uint64_t sum, const auto& entry) { return sum + entry.second.entered; });
}

std::uint64_t CloseWaitHistory::left() const {
  return std::accumulate(
      spaces_.begin(), spaces_.end(), left_,
      [](std::uint64_t sum, const auto& entry) { return sum + entry.second.left; });
}

std::size_t CloseWaitHistory::sockets() const {
  std::size_t sockets = 0;
  for (const auto& [identity, space] : spaces_) sockets += space.sockets.size();
  return sockets;
}

void CloseWaitHistory::update_ports(Space& space, SocketTally& tally) {
  std::erase_if(space.ports, [&](std::uint16_t port) { return !tally.has_sockets(port); });
  for (const auto& listener : tally.sums().listeners) space.ports.push_back(listener.port);
  std::sort(space.ports.begin(), space.ports.end());
  space.ports.erase(std::unique(space.ports.begin(), space.ports.end()), space.ports.end());
}

/// Walks the sockets of now and then side by side, all by cookie.
void CloseWaitHistory::update_sockets(Space& space, steady_clock::time_point now,
                                      std::span<CloseWaitSocket> sockets) {
  std::sort(sockets.begin(), sockets.end(),
            [](const auto& a, const auto& b) { return a.cookie < b.cookie; });
  std::vector<Known> missing;
  const auto miss = [&](const Known& known) {
    if (missing.size() < kMissing) {
      missing.push_back(known);
    } else {
      leave(space, known);
    }
  };
  const auto give_up = [&](const Known& known) { leave(space, known); };
  std::span<const Known> before = space.sockets;
  std::span<const Known> awaited = space.missing;
  for (auto& socket : sockets) {
    const auto* known = take(before, socket.cookie, miss);
    const auto* const back = take(awaited, socket.cookie, give_up);
    if (known == nullptr) known = back;
    auto since = now - socket.age;
    if (known != nullptr) {
      // The earlier of the two: a later ACK has hidden the FIN's from the kernel, not from us.
      since = std::min(since, known->since);
    } else if (space.fresh ? counts_entries_ : since > space.read_at - kLongestReading) {
      ++space.entered;
    }
    socket.age = now - since;
  }
  std::for_each(before.begin(), before.end(), miss);
  std::for_each(awaited.begin(), awaited.end(), give_up);
  space.missing = std::move(missing);
  space.read_at = now;
  remember(space.sockets, now, sockets);
}

void CloseWaitHistory::leave(Space& space, const Known& known) {
  ++space.left;
  if (!names_left_ || known.inode == 0 || left_inodes_.size() == kNamed) return;
  left_inodes_.push_back(known.inode);
}

/// In the same memory, which is given back when few of many are left.
void CloseWaitHistory::remember(std::vector<Known>& known, steady_clock::time_point now,
                                std::span<const CloseWaitSocket> sockets) {
  known.clear();
  if (sockets.size() < known.capacity() / 2) known.shrink_to_fit();
  known.reserve(sockets.size());
  for (const auto& socket : sockets) {
    known.push_back({socket.cookie, now - socket.age, socket.inode});
  }
}

}  // namespace closewatch
