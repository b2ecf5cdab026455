// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/held_history.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <numeric>
#include <utility>

namespace closewatch {
namespace {

using CountsByLabel = std::map<std::string, std::uint64_t>;

std::vector<ContainerHeld> listed(const CountsByLabel& counts) {
  std::vector<ContainerHeld> containers;
  containers.reserve(counts.size());
  for (const auto& [label, sockets] : counts) containers.push_back({label, sockets});
  return containers;
}

std::vector<ContainerHeld> held_by_container(const Pod& pod,
                                             const std::vector<ListedHeld>& sockets) {
  CountsByLabel counts;
  for (const auto& container : pod.containers) {
    if (!container.name.empty()) counts.try_emplace(container.name);
  }
  std::map<ContainerIndex, std::uint64_t> by_index;
  for (const auto& held : sockets) ++by_index[held.socket.container];
  for (const auto& [index, count] : by_index) counts[label_of(pod.containers, index)] += count;
  if (counts.empty()) counts.try_emplace(kUnknownContainer);
  return listed(counts);
}

}  // namespace

std::uint64_t HeldDiagnosis::total() const {
  return std::accumulate(
      containers.begin(), containers.end(), std::uint64_t{0},
      [](std::uint64_t sum, const ContainerHeld& container) { return sum + container.sockets; });
}

void HeldDiagnosis::add(const HeldDiagnosis& other, std::size_t peer_count) {
  CountsByLabel counts;
  for (const auto* const each : std::initializer_list<const HeldDiagnosis*>{this, &other}) {
    for (const auto& container : each->containers) {
      counts[container.container] += container.sockets;
    }
  }
  containers = listed(counts);
  entered += other.entered;
  left_closed += other.left_closed;
  left_held += other.left_held;
  oldest = std::max(oldest, other.oldest);
  peers.insert(peers.end(), other.peers.begin(), other.peers.end());
  peers = merged_peers(std::move(peers), peer_count);
  owners.insert(owners.end(), other.owners.begin(), other.owners.end());
  owners = merged_owners(std::move(owners));
}

HeldDiagnosis& HeldHistory::observe(HeldReading& reading, const Pod& pod,
                                    const DiagnosisSettings& settings) {
  auto& sockets = reading.sockets;
  set_ages(reading.at, sockets);
  judge_left(reading);
  auto diagnosis = std::make_shared<HeldDiagnosis>();
  diagnosis->read_at = reading.at;
  diagnosis->left_closed = left_closed_;
  diagnosis->left_held = left_held_;
  diagnosis->containers = held_by_container(pod, sockets);
  diagnosis->entered = entered_;
  std::vector<CloseWaitSocket> plain;
  plain.reserve(sockets.size());
  for (const auto& held : sockets) {
    diagnosis->oldest = std::max(diagnosis->oldest, held.socket.age);
    plain.push_back(held.socket);
  }
  if (settings.peers > 0) {
    diagnosis->peers = worst_peers(plain, settings.stuck_after, settings.peers);
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(settings.sockets, sockets.size()));
  std::partial_sort(sockets.begin(), sockets.begin() + kept, sockets.end(),
                    [](const ListedHeld& a, const ListedHeld& b) {
                      return std::pair(b.socket.age, a.socket.cookie) <
                             std::pair(a.socket.age, b.socket.cookie);
                    });
  diagnosis->sockets.assign(sockets.begin(), sockets.begin() + kept);
  last_ = std::move(diagnosis);
  return *last_;
}

/// A socket has one inode for as long as anybody holds it, in CLOSE_WAIT and after. Who has called
/// shutdown() has yet to show whether close() follows.
void HeldHistory::judge_left(HeldReading& reading) {
  std::vector<std::uint32_t> held;
  held.reserve(reading.sockets.size());
  for (const auto& one : reading.sockets) held.push_back(one.socket.inode);
  std::sort(held.begin(), held.end());
  std::sort(reading.ending.begin(), reading.ending.end());
  reading.left.insert(reading.left.end(), undecided_.begin(), undecided_.end());
  undecided_.clear();
  for (const auto inode : reading.left) {
    if (std::binary_search(held.begin(), held.end(), inode)) {
      ++left_held_;
    } else if (std::binary_search(reading.ending.begin(), reading.ending.end(), inode)) {
      undecided_.push_back(inode);
    } else {
      ++left_closed_;
    }
  }
}

/// Walks the sockets of now and then side by side, by cookie.
void HeldHistory::set_ages(std::chrono::steady_clock::time_point now,
                           std::vector<ListedHeld>& sockets) {
  std::sort(sockets.begin(), sockets.end(), [](const ListedHeld& a, const ListedHeld& b) {
    return a.socket.cookie < b.socket.cookie;
  });
  std::vector<Known> known;
  known.reserve(sockets.size());
  auto before = known_.begin();
  for (auto& held : sockets) {
    const auto cookie = held.socket.cookie;
    while (before != known_.end() && before->cookie < cookie) ++before;
    const bool is_known = before != known_.end() && before->cookie == cookie;
    if (!is_known && counts_entries_) ++entered_;
    known.push_back({cookie, is_known ? before->since : now});
    held.socket.age = now - known.back().since;
  }
  known_ = std::move(known);
  counts_entries_ = true;
}

}  // namespace closewatch
