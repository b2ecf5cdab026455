// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/foreign_owners.h"

#include <algorithm>
#include <map>
#include <utility>

#include "closewatch/pods/container_cgroups.h"

namespace closewatch {

void ForeignOwners::begin(std::shared_ptr<const Snapshot> snapshot) {
  snapshot_ = std::move(snapshot);
  claims_.clear();
  looked_ = false;
}

void ForeignOwners::find(const Pod& pod, std::span<CloseWaitSocket> sockets, const Run& run) {
  for (auto& socket : sockets) {
    if (socket.container != kNoContainer || !socket.cgroup_known()) continue;
    if (!looked_) look_at_cgroups(run);
    const auto* const claim = claim_of(socket.cgroup_id);
    if (claim == nullptr) continue;
    const bool own = &snapshot_->pods[claim->pod] == &pod;
    socket.container = own ? claim->container : kForeignContainer;
  }
}

std::optional<ForeignOwners::Maker> ForeignOwners::maker_of(std::uint64_t cgroup_id,
                                                            const Run& run) {
  if (cgroup_id == kUnknownCgroup) return std::nullopt;
  if (!looked_) look_at_cgroups(run);
  const auto* const claim = claim_of(cgroup_id);
  if (claim == nullptr) return std::nullopt;
  return Maker{claim->pod, claim->container};
}

void ForeignOwners::name(std::span<const CloseWaitSocket> sockets,
                         std::chrono::nanoseconds stuck_after, Diagnosis& diagnosis) const {
  diagnosis.owners = sums_of(sockets, stuck_after);
  for (auto& socket : diagnosis.sockets) set_owner(socket, diagnosis.owners);
}

void ForeignOwners::name(std::span<const ListedHeld> sockets, std::chrono::nanoseconds stuck_after,
                         HeldDiagnosis& diagnosis) const {
  std::vector<CloseWaitSocket> foreign;
  for (const auto& held : sockets) {
    if (held.socket.container == kForeignContainer) foreign.push_back(held.socket);
  }
  diagnosis.owners = sums_of(foreign, stuck_after);
  for (auto& held : diagnosis.sockets) set_owner(held.socket, diagnosis.owners);
}

std::vector<OwnerSums> ForeignOwners::sums_of(std::span<const CloseWaitSocket> sockets,
                                              std::chrono::nanoseconds stuck_after) const {
  std::map<std::pair<std::size_t, ContainerIndex>, OwnerSums> sums;
  for (const auto& socket : sockets) {
    if (socket.container != kForeignContainer) continue;
    const auto& claim = *claim_of(socket.cgroup_id);
    auto& owner = sums[{claim.pod, claim.container}];
    if (owner.sockets++ == 0) owner.owner = owner_of(claim);
    if (socket.age >= stuck_after) ++owner.stuck;
  }
  std::vector<OwnerSums> owners;
  owners.reserve(sums.size());
  for (auto& [place, owner] : sums) owners.push_back(std::move(owner));
  return merged_owners(std::move(owners));
}

/// The last one's where it is none of the others', who are those that are named.
void ForeignOwners::set_owner(CloseWaitSocket& socket, std::span<const OwnerSums> owners) const {
  if (socket.container != kForeignContainer) return;
  const auto owner = owner_of(*claim_of(socket.cgroup_id));
  const auto named =
      std::find_if(owners.begin(), owners.end() - 1,
                   [&](const OwnerSums& candidate) { return candidate.owner == owner; });
  socket.owner = static_cast<OwnerIndex>(named - owners.begin());
}

void ForeignOwners::look_at_cgroups(const Run& run) {
  looked_ = true;
  struct Look {
    std::shared_ptr<const Snapshot> snapshot;
    Claims claims;
  };
  const auto look = std::make_shared<Look>(Look{snapshot_, {}});
  if (run([look] { look->claims = claims_of(look->snapshot->pods); })) {
    claims_ = std::move(look->claims);
  }
}

ForeignOwners::Claims ForeignOwners::claims_of(const std::vector<PodSnapshot>& pods) {
  Claims claims;
  for (std::size_t pod = 0; pod < pods.size(); ++pod) {
    for (const auto& [id, container] : container_cgroups(pods[pod])) {
      claims.push_back({id, pod, container});
    }
  }
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return a.cgroup_id < b.cgroup_id; });
  return claims;
}

const ForeignOwners::Claim* ForeignOwners::claim_of(std::uint64_t cgroup_id) const {
  const auto at =
      std::lower_bound(claims_.begin(), claims_.end(), cgroup_id,
                       [](const Claim& claim, std::uint64_t id) { return claim.cgroup_id < id; });
  return at != claims_.end() && at->cgroup_id == cgroup_id ? &*at : nullptr;
}

PodContainer ForeignOwners::owner_of(const Claim& claim) const {
  const auto& pod = snapshot_->pods[claim.pod];
  return {pod.pod_namespace, pod.name, label_of(pod.containers[claim.container])};
}

}  // namespace closewatch
