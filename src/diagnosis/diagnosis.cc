// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/diagnosis.h"

#include <algorithm>
#include <numeric>

namespace closewatch {
namespace {

constexpr std::size_t kShortIdLength = 12;

/// The sums of a container's label, made at its place where there are none yet.
ContainerDiagnosis& sums_of(std::vector<ContainerDiagnosis>& containers, const std::string& label) {
  auto at = std::lower_bound(containers.begin(), containers.end(), label,
                             [](const ContainerDiagnosis& container, const std::string& wanted) {
                               return container.container < wanted;
                             });
  if (at == containers.end() || at->container != label) at = containers.insert(at, {label, {}, 0});
  return *at;
}

/// Sums by container index, which costs no comparison of names for each socket; the last but one is
/// for the unknown, the last for other pods' containers.
std::vector<ContainerDiagnosis> sums_by_index(std::span<const CloseWaitSocket> sockets,
                                              std::size_t containers,
                                              std::chrono::nanoseconds stuck_after) {
  std::vector<ContainerDiagnosis> sums(containers + 2);
  for (const auto& socket : sockets) {
    const bool foreign = socket.container == kForeignContainer;
    auto& container =
        foreign ? sums.back() : sums[std::min<std::size_t>(socket.container, containers)];
    ++container.sockets.at(static_cast<std::size_t>(socket.direction))
          .at(static_cast<std::size_t>(socket.owes));
    if (socket.age >= stuck_after) ++container.stuck;
  }
  return sums;
}

void add_sums(ContainerDiagnosis& to, const ContainerDiagnosis& from) {
  for (std::size_t direction = 0; direction < kDirections.size(); ++direction) {
    for (std::size_t owes = 0; owes < kOwedCalls.size(); ++owes) {
      to.sockets.at(direction).at(owes) += from.sockets.at(direction).at(owes);
    }
  }
  to.stuck += from.stuck;
}

bool has_sockets(const ContainerDiagnosis& sums) {
  return sums.sockets != ContainerDiagnosis{}.sockets;
}

std::vector<ContainerDiagnosis> by_container(std::span<const CloseWaitSocket> sockets,
                                             const std::vector<Container>& containers,
                                             std::chrono::nanoseconds stuck_after) {
  const auto sums = sums_by_index(sockets, containers.size(), stuck_after);
  std::vector<ContainerDiagnosis> labelled;
  for (std::size_t i = 0; i < containers.size(); ++i) {
    if (containers[i].name.empty() && !has_sockets(sums[i])) continue;
    add_sums(sums_of(labelled, label_of(containers[i])), sums[i]);
  }
  const auto& unknown = sums[containers.size()];
  if (labelled.empty() || has_sockets(unknown)) {
    add_sums(sums_of(labelled, kUnknownContainer), unknown);
  }
  const auto& foreign = sums.back();
  if (has_sockets(foreign)) add_sums(sums_of(labelled, kOtherPod), foreign);
  return labelled;
}

std::vector<CloseWaitSocket> oldest_of(std::span<CloseWaitSocket> sockets, std::size_t count) {
  const auto listed = static_cast<std::ptrdiff_t>(std::min(count, sockets.size()));
  std::partial_sort(sockets.begin(), sockets.begin() + listed, sockets.end(),
                    [](const CloseWaitSocket& a, const CloseWaitSocket& b) {
                      return a.age != b.age ? a.age > b.age : a.cookie < b.cookie;
                    });
  return {sockets.begin(), sockets.begin() + listed};
}

template <typename Number>
std::uint64_t total(const std::vector<ContainerDiagnosis>& containers, Number number) {
  return std::accumulate(containers.begin(), containers.end(), std::uint64_t{0},
                         [&](std::uint64_t sum, const ContainerDiagnosis& container) {
                           return sum + number(container);
                         });
}

}  // namespace

std::string label_of(const Container& container) {
  if (!container.name.empty()) return container.name;
  return container.id.empty() ? kUnknownContainer : container.id.substr(0, kShortIdLength);
}

std::string label_of(const std::vector<Container>& containers, ContainerIndex container) {
  if (container == kForeignContainer) return kOtherPod;
  return container < containers.size() ? label_of(containers[container]) : kUnknownContainer;
}

std::uint64_t Diagnosis::stuck() const {
  return total(containers, [](const ContainerDiagnosis& container) { return container.stuck; });
}

std::uint64_t Diagnosis::of(Direction direction) const {
  return total(containers, [&](const ContainerDiagnosis& container) {
    const auto& row = container.sockets.at(static_cast<std::size_t>(direction));
    return std::accumulate(row.begin(), row.end(), std::uint64_t{0});
  });
}

std::uint64_t Diagnosis::of(OwedCall owes) const {
  return total(containers, [&](const ContainerDiagnosis& container) {
    return container.of(Direction::kInbound, owes) + container.of(Direction::kOutbound, owes);
  });
}

void Diagnosis::add(const Diagnosis& other, std::size_t peer_count) {
  for (const auto& container : other.containers) {
    add_sums(sums_of(containers, container.container), container);
  }
  oldest = std::max(oldest, other.oldest);
  unread_bytes += other.unread_bytes;
  entered += other.entered;
  left += other.left;
  peers.insert(peers.end(), other.peers.begin(), other.peers.end());
  peers = merged_peers(std::move(peers), peer_count);
  owners.insert(owners.end(), other.owners.begin(), other.owners.end());
  owners = merged_owners(std::move(owners));
}

Diagnosis diagnose(std::span<CloseWaitSocket> sockets, const std::vector<Container>& containers,
                   const DiagnosisSettings& settings) {
  Diagnosis diagnosis;
  diagnosis.containers = by_container(sockets, containers, settings.stuck_after);
  std::chrono::nanoseconds oldest{};
  for (const auto& socket : sockets) {
    oldest = std::max(oldest, socket.age);
    diagnosis.unread_bytes += socket.unread_bytes();
  }
  diagnosis.oldest = std::chrono::floor<std::chrono::milliseconds>(oldest);
  if (settings.peers > 0) {
    diagnosis.peers = worst_peers(sockets, settings.stuck_after, settings.peers);
  }
  diagnosis.sockets = oldest_of(sockets, settings.sockets);
  return diagnosis;
}

}  // namespace closewatch
