// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/shown.h"

namespace closewatch {

Visibility Shown::of(const PodSnapshot& pod) const { return of(pod.visibility); }

Visibility Shown::of(Namesakes pods) const { return of(visibility_of(pods)); }

Visibility Shown::of(Visibility visibility) const {
  // What nobody wants to know does not grow old.
  return stale_ && visibility != Visibility::kExcluded ? Visibility::kStale : visibility;
}

std::string_view Shown::detail_of(const PodSnapshot& pod) const {
  return of(pod) == Visibility::kStale ? kStaleDetail : std::string_view(pod.detail);
}

const StateCounts* Shown::node() const {
  return snapshot_.node && !stale_ ? &*snapshot_.node : nullptr;
}

SocketListing Shown::of(SocketListing listing) const {
  if (of(listing.visibility) == Visibility::kStale) {
    listing.visibility = Visibility::kStale;
    listing.detail = kStaleDetail;
  }
  return listing;
}

}  // namespace closewatch
