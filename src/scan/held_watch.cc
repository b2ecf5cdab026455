#include "closewatch/scan/held_watch.h"

#include <algorithm>
#include <span>
#include <utility>

namespace closewatch {
namespace {

/// By the place of their pod.
using HeldByPod = std::vector<std::vector<ListedHeld>>;

ListedHeld listed_held(HeldSocket socket) {
  ListedHeld held;
  held.socket = close_wait_socket(socket.row);
  held.socket.owes = OwedCall::kClose;
  held.pid = socket.pid;
  held.comm = std::move(socket.comm);
  return held;
}

Direction direction_in(const PodSnapshot& pod, const CloseWaitSocket& socket) {
  const auto& listeners = pod.sums.listeners;
  const bool listens = std::any_of(
      listeners.begin(), listeners.end(),
      [&](const ListenBacklog& listener) { return listener.port == socket.local.port; });
  return listens ? Direction::kInbound : Direction::kOutbound;
}

}  // namespace

Result<void> HeldWatch::update(const Scan& scan) {
  Result<void> done;
  const auto now = scan.clock.steady_now();
  if (pace_.is_due(now)) {
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
  HeldByPod by_pod(pods.size());
  for (auto& socket : *found) {
    const auto home = scan.homes.find(socket.space);
    if (home != scan.homes.end()) {
      by_pod[home->second].push_back(listed_held(std::move(socket)));
      continue;
    }
    const auto maker =
        scan.owners.maker_of(socket.row.cgroup_id.value_or(kUnknownCgroup), scan.run);
    if (!maker || !pods[maker->pod].host_network) continue;
    by_pod[maker->pod].push_back(listed_held(std::move(socket)));
    by_pod[maker->pod].back().socket.container = maker->container;
  }
  for (std::size_t place = 0; place < pods.size(); ++place) {
    const auto& pod = pods[place];
    auto* const history = scan.histories.held_of(pod);
    if (history == nullptr || pod.visibility != Visibility::kVisible) continue;
    for (auto& held : by_pod[place]) {
      scan.owners.find(pod, std::span(&held.socket, 1), scan.run);
      held.socket.direction = direction_in(pod, held.socket);
    }
    history->observe(now, pod, std::move(by_pod[place]), scan.snapshot.settings);
  }
  return {};
}

}  // namespace closewatch
