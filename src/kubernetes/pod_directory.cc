// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_directory.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace closewatch {

void PodDirectory::add(PodObject pod) {
  remove(pod.uid);
  if (!pod.config_hash.empty()) mirrors_.emplace(pod.config_hash, pod.uid);
  pods_.emplace(std::move(pod.uid), Known{std::move(pod.config_hash), std::move(pod.metadata)});
}

void PodDirectory::remove(std::string_view uid) {
  const auto known = pods_.find(uid);
  if (known == pods_.end()) return;
  const auto [first, last] = mirrors_.equal_range(known->second.config_hash);
  const auto mirror =
      std::find_if(first, last, [&](const auto& entry) { return entry.second == uid; });
  if (mirror != last) mirrors_.erase(mirror);
  pods_.erase(known);
}

void PodDirectory::replace(std::vector<PodObject> pods) {
  {
    const std::lock_guard lock(mutex_);
    pods_.clear();
    mirrors_.clear();
    for (auto& pod : pods) add(std::move(pod));
  }
  changed_();
}

/// Most of what a watch tells of a pod is its status, and no news here.
bool PodDirectory::knows(const PodObject& pod) const {
  const auto known = pods_.find(pod.uid);
  return known != pods_.end() && known->second.config_hash == pod.config_hash &&
         known->second.metadata == pod.metadata;
}

Result<void> PodDirectory::put(PodObject pod) {
  {
    const std::lock_guard lock(mutex_);
    if (knows(pod)) return {};
    if (pods_.size() >= kMostPods && !pods_.contains(pod.uid)) {
      return fail(ErrorKind::kOverLimit,
                  "it tells of more than " + std::to_string(kMostPods) + " pods of this node");
    }
    add(std::move(pod));
  }
  changed_();
  return {};
}

void PodDirectory::erase(const PodObject& pod) {
  {
    const std::lock_guard lock(mutex_);
    remove(pod.uid);
  }
  changed_();
}

void PodDirectory::set_state(Result<void> state) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_same = state_ && state_->has_value() && state.has_value();
    state_ = std::move(state);
    if (is_same) return;
  }
  changed_();
}

std::vector<PodObject> PodDirectory::pods() const {
  const std::lock_guard lock(mutex_);
  std::vector<PodObject> pods;
  for (const auto& [uid, known] : pods_) pods.push_back({uid, known.config_hash, known.metadata});
  return pods;
}

Result<void> PodDirectory::state() const {
  const std::lock_guard lock(mutex_);
  return state_.value_or(fail(ErrorKind::kSystem, "it has not answered yet"));
}

bool PodDirectory::settled() const {
  const std::lock_guard lock(mutex_);
  return state_.has_value();
}

std::optional<PodMetadata> PodDirectory::find(std::string_view uid) const {
  const std::lock_guard lock(mutex_);
  auto found = pods_.find(uid);
  if (found == pods_.end() || !found->second.config_hash.empty()) {
    found = pods_.end();
    const auto [first, last] = mirrors_.equal_range(uid);
    if (std::distance(first, last) == 1) found = pods_.find(first->second);
  }
  if (found == pods_.end()) return std::nullopt;
  return found->second.metadata;
}

}  // namespace closewatch
