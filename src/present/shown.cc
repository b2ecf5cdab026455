#include "closewatch/present/shown.h"

namespace closewatch {

Visibility Shown::of(const PodSnapshot& pod) const {
  return stale_ ? Visibility::kStale : pod.visibility;
}

Visibility Shown::of(Namesakes pods) const {
  return stale_ ? Visibility::kStale : visibility_of(pods);
}

std::string_view Shown::detail_of(const PodSnapshot& pod) const {
  return stale_ ? kStaleDetail : std::string_view(pod.detail);
}

const StateCounts* Shown::node() const {
  return snapshot_.node && !stale_ ? &*snapshot_.node : nullptr;
}

SocketListing Shown::of(SocketListing listing) const {
  if (stale_) {
    listing.visibility = Visibility::kStale;
    listing.detail = kStaleDetail;
  }
  return listing;
}

}  // namespace closewatch
