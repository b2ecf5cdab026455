// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/pod_summary.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "closewatch/present/text_table.h"

namespace closewatch {
namespace {

template <typename Kinds>
std::string split(const Diagnosis& diagnosis, const Kinds& kinds) {
  std::vector<std::pair<std::uint64_t, std::string_view>> counts;
  for (const auto kind : kinds) {
    if (const auto count = diagnosis.of(kind); count > 0) counts.emplace_back(count, name_of(kind));
  }
  if (counts.size() == 1) return std::string(counts.front().second);
  std::string text;
  for (const auto& [count, name] : counts) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", name, count);
  }
  return text;
}

std::uint64_t sockets_of(const ContainerDiagnosis& container) {
  std::uint64_t sockets = 0;
  for (const auto& row : container.sockets) {
    sockets += std::accumulate(row.begin(), row.end(), std::uint64_t{0});
  }
  return sockets;
}

}  // namespace

std::vector<const PodSnapshot*> worst_first(const Snapshot& snapshot, const PodFilter& filter) {
  std::vector<const PodSnapshot*> pods;
  for (const auto& pod : snapshot.pods) {
    if (filter.matches(pod)) pods.push_back(&pod);
  }
  const auto harm = [](const PodSnapshot* pod) {
    return std::tuple(pod->diagnosis.stuck() + pod->held_sockets(), pod->unclosed(),
                      std::max<std::chrono::nanoseconds>(pod->diagnosis.oldest, pod->held_for()));
  };
  std::stable_sort(pods.begin(), pods.end(),
                   [&](const PodSnapshot* a, const PodSnapshot* b) { return harm(a) > harm(b); });
  return pods;
}

std::string owes_text(const Diagnosis& diagnosis) { return split(diagnosis, kOwedCalls); }

std::string direction_text(const Diagnosis& diagnosis) { return split(diagnosis, kDirections); }

std::string top_peer_text(const Diagnosis& diagnosis) {
  if (diagnosis.peers.empty()) return "";
  const auto& worst = diagnosis.peers.front();
  return fmt::format("{} ({})", worst.peer, worst.sockets);
}

std::string container_text(const Diagnosis& diagnosis) {
  const ContainerDiagnosis* worst = nullptr;
  std::size_t leaking = 0;
  for (const auto& container : diagnosis.containers) {
    if (sockets_of(container) == 0) continue;
    ++leaking;
    if (worst == nullptr || sockets_of(container) > sockets_of(*worst)) worst = &container;
  }
  if (worst == nullptr) return "";
  return leaking == 1 ? worst->container : fmt::format("{} +{}", worst->container, leaking - 1);
}

std::string owner_text(const PodSnapshot& pod) {
  const auto owners = pod.owners();
  if (owners.empty()) return "";
  const auto& [owner, sockets, stuck] = owners.front();
  const auto others = owners.size() - 1;
  return fmt::format("{} ({}){}", text_of(owner), sockets,
                     others == 0 ? "" : fmt::format(" +{}", others));
}

std::string limit_text(const ListenBacklog& queue) {
  return queue.limit ? std::to_string(*queue.limit) : "?";
}

const ListenBacklog* fullest_queue(const SocketSums& sums) {
  const auto fullest = std::max_element(
      sums.listeners.begin(), sums.listeners.end(),
      [](const ListenBacklog& a, const ListenBacklog& b) { return a.fullness() < b.fullness(); });
  return fullest == sums.listeners.end() ? nullptr : &*fullest;
}

ShownQueues shown_queues(std::vector<ListenBacklog> listeners) {
  constexpr std::size_t kMost = 32;
  ShownQueues shown{std::move(listeners), std::nullopt};
  auto& ports = shown.ports;
  if (ports.size() <= kMost) return shown;
  std::stable_sort(ports.begin(), ports.end(), [](const ListenBacklog& a, const ListenBacklog& b) {
    return a.fullness() > b.fullness();
  });
  shown.other.emplace();
  for (const auto& backlog : std::span(ports).subspan(kMost)) shown.other->add(backlog);
  ports.resize(kMost);
  std::sort(ports.begin(), ports.end(),
            [](const ListenBacklog& a, const ListenBacklog& b) { return a.port < b.port; });
  return shown;
}

const ContainerDescriptors* nearest_to_limit(const PodSnapshot& pod) {
  const auto nearest =
      std::min_element(pod.descriptors.begin(), pod.descriptors.end(), is_nearer_to_limit);
  return nearest == pod.descriptors.end() ? nullptr : &*nearest;
}

std::string descriptors_text(const ContainerDescriptors& container) {
  return container.limit ? fmt::format("{} of {}", container.open, *container.limit)
                         : std::to_string(container.open);
}

std::string time_left_text(const ContainerDescriptors& container) {
  return container.time_left ? human(*container.time_left) : "";
}

}  // namespace closewatch
