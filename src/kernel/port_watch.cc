// SPDX-License-Identifier: Apache-2.0
#include "kernel/port_watch.h"

#include <algorithm>

namespace closewatch {
namespace {

/// Each once, sorted.
std::vector<std::uint16_t> listening_ports(const SpaceRows& rows) {
  std::vector<std::uint16_t> ports;
  ports.reserve(rows.listeners.size());
  for (const auto& listener : rows.listeners) ports.push_back(listener.local.port);
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return ports;
}

}  // namespace

void PortWatch::begin_scan() {
  ++scans_;
  known_.swap(next_);
  next_.clear();
  std::sort(known_.begin(), known_.end());
  known_.erase(std::unique(known_.begin(), known_.end()), known_.end());
  if (watching_) std::fill(places_.begin(), places_.end(), walk_port{});
  watching_ = false;
}

bool PortWatch::watch(const WalkFindings& found) {
  std::vector<std::vector<Place>> ceased_by_space;
  for (const auto known : known_by_space()) {
    const auto listening = listening_ports(found.rows_of(known.front().place.first));
    std::vector<Place> ceased;
    for (const auto& [place, cookie] : known) {
      if (!std::binary_search(listening.begin(), listening.end(), place.second)) {
        ceased.push_back(place);
      }
    }
    if (!ceased.empty()) ceased_by_space.push_back(std::move(ceased));
  }
  if (ceased_by_space.empty()) return watching_;
  const auto share = std::max<std::size_t>(1, places_.size() / 2 / ceased_by_space.size());
  for (const auto& ceased : ceased_by_space) watch_share_of(ceased, share);
  return watching_;
}

/// Others in each scan, when there are more.
void PortWatch::watch_share_of(std::span<const Place> ceased, std::size_t share) {
  const auto watched = std::min(ceased.size(), share);
  for (std::size_t i = 0; i < watched; ++i) {
    const auto& place = ceased[(scans_ * share + i) % ceased.size()];
    auto* const port = find(place);
    if (port == nullptr) continue;
    port->net = place.first;
    port->port = place.second;
    watching_ = true;
  }
}

void PortWatch::hand_over(const walk_namespace& space, const SpaceRows& rows, RowSink& sink) {
  const auto listening = listening_ports(rows);
  for (const auto port : listening) next_.push_back({{space.net, port}, space.cookie});
  for (const auto& known : known_of(space.net)) {
    const auto port = known.place.second;
    // Of a namespace that was at the same address before.
    if (known.cookie != space.cookie) continue;
    if (std::binary_search(listening.begin(), listening.end(), port)) continue;
    const auto* const watched = find(known.place);
    if (watched != nullptr && watched->net != 0 && watched->in_use == 0) continue;
    sink.port_in_use(port);
    next_.push_back(known);
  }
}

void PortWatch::keep(const walk_namespace& space) {
  for (const auto& known : known_of(space.net)) {
    if (known.cookie == space.cookie) next_.push_back(known);
  }
}

std::span<const PortWatch::Known> PortWatch::known_of(KernelAddress space) const {
  const auto of = [&](const Known& known) { return known.place.first; };
  const auto begin = std::lower_bound(
      known_.begin(), known_.end(), space,
      [&](const Known& known, KernelAddress wanted) { return of(known) < wanted; });
  const auto end =
      std::find_if(begin, known_.end(), [&](const Known& known) { return of(known) != space; });
  return {begin, end};
}

std::vector<std::span<const PortWatch::Known>> PortWatch::known_by_space() const {
  std::vector<std::span<const Known>> spaces;
  for (std::span<const Known> left(known_); !left.empty();) {
    spaces.push_back(known_of(left.front().place.first));
    left = left.subspan(spaces.back().size());
  }
  return spaces;
}

/// Where the program looks for a port: there it is or may be put. nullptr when there is no room.
walk_port* PortWatch::find(const Place& place) const {
  const auto [space, port] = place;
  const auto start = walk_port_place(space, port);
  for (unsigned i = 0; i < WALK_PROBES; ++i) {
    auto& found = places_[(start + i) & (WALK_PORTS - 1)];
    if (found.net == 0 || (found.net == space && found.port == port)) return &found;
  }
  return nullptr;
}

}  // namespace closewatch
