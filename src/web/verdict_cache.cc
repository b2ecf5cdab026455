// SPDX-License-Identifier: Apache-2.0
#include "web/verdict_cache.h"

namespace closewatch::web {

const AccessVerdict* VerdictCache::find(const Fingerprint& of, Time now) const {
  const auto found = places_.find(of);
  if (found == places_.end() || found->second->until <= now) return nullptr;
  return &found->second->verdict;
}

void VerdictCache::put(const Fingerprint& of, AccessVerdict verdict, Time now) {
  erase(of);
  if (entries_.size() == kMost) erase(Fingerprint(entries_.front().of));
  places_[of] = entries_.insert(entries_.end(), {of, std::move(verdict), now + lasts_});
}

void VerdictCache::erase(const Fingerprint& of) {
  const auto found = places_.find(of);
  if (found == places_.end()) return;
  entries_.erase(found->second);
  places_.erase(found);
}

}  // namespace closewatch::web
