// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/pod_histories.h"

#include <variant>

namespace closewatch {

void PodHistories::follow(const PodList& list) {
  constexpr unsigned kPatience = 60;
  for (auto& [key, entry] : entries_) ++entry.missing;
  for (const auto& pod : list.pods) {
    const auto key = key_of(pod);
    auto known = entries_.find(key);
    if (known == entries_.end()) {
      known = entries_
                  .emplace(Key{key.inode, std::string(key.uid), std::string(key.file)},
                           Entry{.history = CloseWaitHistory(has_followed_, looks_for_held_),
                                 .held = HeldHistory(has_followed_)})
                  .first;
    }
    known->second.missing = 0;
  }
  const unsigned patience = list.errors.empty() ? 0 : kPatience;
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.missing > patience; });
  has_followed_ |= list.errors.empty();
}

PodHistories::Entry* PodHistories::entry_of(const Pod& pod) {
  const auto known = entries_.find(key_of(pod));
  return known == entries_.end() ? nullptr : &known->second;
}

Trend* PodHistories::trend_of(const Pod& pod) { return part_of(pod, &Entry::trend); }

DescriptorHistory* PodHistories::descriptors_of(const Pod& pod) {
  return part_of(pod, &Entry::descriptors);
}

HeldHistory* PodHistories::held_of(const Pod& pod) { return part_of(pod, &Entry::held); }

TcpEventHistory* PodHistories::events_of(const Pod& pod) { return part_of(pod, &Entry::events); }

PodHistories::KeyView PodHistories::key_of(const Pod& pod) {
  if (!pod.located) return {0, pod.uid, {}};
  const auto* const file = std::get_if<NamespaceFile>(&pod.located->where);
  return {pod.located->id.inode, pod.uid, file != nullptr ? file->path : std::string_view()};
}

}  // namespace closewatch
