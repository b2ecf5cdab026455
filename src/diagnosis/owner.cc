// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/owner.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace closewatch {
namespace {

bool is_rest(const OwnerSums& sums) { return sums.owner.pod == kOtherOwners; }

void add_sums(OwnerSums& to, const OwnerSums& from) {
  to.sockets += from.sockets;
  to.stuck += from.stuck;
}

/// Sorts by name and makes one of those with the same.
void merge_by_name(std::vector<OwnerSums>& owners) {
  std::sort(owners.begin(), owners.end(),
            [](const OwnerSums& a, const OwnerSums& b) { return a.owner < b.owner; });
  std::vector<OwnerSums> merged;
  for (auto& sums : owners) {
    if (merged.empty() || merged.back().owner != sums.owner) {
      merged.push_back(std::move(sums));
    } else {
      add_sums(merged.back(), sums);
    }
  }
  owners = std::move(merged);
}

}  // namespace

std::vector<OwnerSums> merged_owners(std::vector<OwnerSums> owners) {
  merge_by_name(owners);
  std::stable_sort(owners.begin(), owners.end(), [](const OwnerSums& a, const OwnerSums& b) {
    return std::tuple(is_rest(a), b.stuck, b.sockets) < std::tuple(is_rest(b), a.stuck, a.sockets);
  });
  if (owners.size() <= kMostOwners) return owners;
  OwnerSums rest{{kOtherOwners, kOtherOwners, kOtherOwners}};
  for (std::size_t i = kMostOwners; i < owners.size(); ++i) add_sums(rest, owners[i]);
  owners.resize(kMostOwners);
  owners.push_back(std::move(rest));
  return owners;
}

std::string text_of(const PodContainer& owner) {
  if (owner.pod == kOtherOwners) return owner.pod;
  return owner.pod_namespace + "/" + owner.pod + "/" + owner.container;
}

}  // namespace closewatch
