#include "closewatch/scan/pod_histories.h"

#include <variant>

namespace closewatch {

void PodHistories::follow(const PodList& list) {
  constexpr unsigned kPatience = 60;
  for (auto& [key, entry] : entries_) ++entry.missing;
  for (const auto& pod : list.pods) {
    const auto added =
        entries_.try_emplace(key_of(pod), Entry{.history = CloseWaitHistory(has_followed_)});
    added.first->second.missing = 0;
  }
  const unsigned patience = list.errors.empty() ? 0 : kPatience;
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.missing > patience; });
  has_followed_ |= list.errors.empty();
}

PodHistories::Key PodHistories::key_of(const Pod& pod) {
  if (!pod.located) return {pod.uid, {}};
  const auto* const file = std::get_if<NamespaceFile>(&pod.located->where);
  return {pod.uid, file != nullptr ? file->path : std::to_string(pod.located->id.inode)};
}

}  // namespace closewatch
