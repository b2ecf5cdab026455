// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/held_watch.h"

#include <algorithm>
#include <utility>

namespace closewatch {
namespace {

ListedHeld listed_held(HeldSocket socket) {
  ListedHeld held;
  held.socket = close_wait_socket(socket.row);
  held.socket.owes = OwedCall::kClose;
  held.pid = socket.pid;
  held.comm = std::move(socket.comm);
  return held;
}

/// By what the socket itself tells, else by who listens now.
Direction direction_in(const PodSnapshot& pod, const HeldSocket& socket) {
  if (socket.accepted) return Direction::kInbound;
  if (socket.row.binding.port == true) return Direction::kOutbound;
  const auto& listeners = pod.sums.listeners;
  const bool listens = std::any_of(
      listeners.begin(), listeners.end(),
      [&](const ListenBacklog& listener) { return listener.port == socket.row.local.port; });
  return listens ? Direction::kInbound : Direction::kOutbound;
}

}  // namespace

Result<void> HeldWatch::update(const Scan& scan) {
  Result<void> done;
  const auto now = scan.clock.steady_now();
  if (std::exchange(due_, false)) {
    const auto cpu_before = scan.clock.thread_cpu();
    done = read(scan, now);
    error_ = done ? std::nullopt : std::optional(done.error());
    pace_.read(now, scan.clock.thread_cpu() - cpu_before);
  }
  for (auto& pod : scan.snapshot.pods) {
    auto* const history = scan.histories.held_of(pod);
    if (history == nullptr || pod.visibility != Visibility::kVisible) continue;
    pod.held = history->last();
    if (pod.held) pod.held_ago = now - pod.held->read_at;
  }
  return done;
}

Result<void> HeldWatch::read(const Scan& scan, std::chrono::steady_clock::time_point now) {
  auto& pods = scan.snapshot.pods;
  for (auto& pod : pods) {
    if (auto* const history = scan.histories.held_of(pod)) history->forget();
  }
  auto found = source_->read();
  if (!found) return tl::unexpected(found.error());
  std::vector<HeldReading> readings(pods.size());
  for (auto& socket : *found) {
    const auto place = place_of(socket, scan);
    if (!place) continue;
    auto& reading = readings[place->pod];
    if (socket.row.state != TcpState::kClose) {
      reading.ending.push_back(socket.row.inode);
      continue;
    }
    const auto direction = direction_in(pods[place->pod], socket);
    auto& held = reading.sockets.emplace_back(listed_held(std::move(socket))).socket;
    held.direction = direction;
    held.container = place->container;
  }
  for (std::size_t place = 0; place < pods.size(); ++place) {
    const auto& pod = pods[place];
    auto* const history = scan.histories.held_of(pod);
    if (history == nullptr || pod.visibility != Visibility::kVisible) continue;
    auto& reading = readings[place];
    reading.at = now;
    reading.left = scan.histories.of(pod).take_left();
    const auto& settings = scan.snapshot.settings;
    auto& diagnosis = history->observe(reading, pod, settings);
    scan.owners.name(reading.sockets, settings.stuck_after, diagnosis);
  }
  return {};
}

std::optional<HeldWatch::Place> HeldWatch::place_of(const HeldSocket& socket, const Scan& scan) {
  const auto& pods = scan.snapshot.pods;
  const auto maker = scan.owners.maker_of(socket.row.cgroup_id.value_or(kUnknownCgroup), scan.run);
  const auto home = scan.homes.find(socket.space);
  if (home == scan.homes.end()) {
    if (!maker || !pods[maker->pod].host_network) return std::nullopt;
    return Place{maker->pod, maker->container};
  }
  if (!maker) return Place{home->second, kNoContainer};
  return Place{home->second, maker->pod == home->second ? maker->container : kForeignContainer};
}

}  // namespace closewatch
