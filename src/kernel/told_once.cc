// SPDX-License-Identifier: Apache-2.0
#include "kernel/told_once.h"

namespace closewatch {

RecentCookies::RecentCookies() {
  newest_.reserve(kAtLeast);
  older_.reserve(kAtLeast);
}

void RecentCookies::clear() {
  newest_.clear();
  older_.clear();
}

bool RecentCookies::insert(std::uint64_t cookie) {
  if (older_.contains(cookie) || !newest_.insert(cookie).second) return false;
  if (newest_.size() == kAtLeast) {
    newest_.swap(older_);
    newest_.clear();
  }
  return true;
}

}  // namespace closewatch
