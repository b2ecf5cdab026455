#include "closewatch/kubernetes/pod_directory.h"

#include <utility>

namespace closewatch {
namespace {

std::string& cgroup_uid(PodObject& pod) {
  return pod.config_hash.empty() ? pod.uid : pod.config_hash;
}

}  // namespace

void PodDirectory::replace(std::vector<PodObject> pods) {
  std::map<std::string, PodMetadata, std::less<>> fresh;
  for (auto& pod : pods) {
    fresh.insert_or_assign(std::move(cgroup_uid(pod)), std::move(pod.metadata));
  }
  const std::lock_guard lock(mutex_);
  pods_.swap(fresh);
}

Result<void> PodDirectory::put(PodObject pod) {
  const std::lock_guard lock(mutex_);
  auto& uid = cgroup_uid(pod);
  if (pods_.size() >= kMostPods && !pods_.contains(uid)) {
    return fail(ErrorKind::kOverLimit,
                "it tells of more than " + std::to_string(kMostPods) + " pods of this node");
  }
  pods_.insert_or_assign(std::move(uid), std::move(pod.metadata));
  return {};
}

void PodDirectory::erase(const PodObject& pod) {
  const std::lock_guard lock(mutex_);
  pods_.erase(pod.config_hash.empty() ? pod.uid : pod.config_hash);
}

void PodDirectory::set_state(Result<void> state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
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
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return std::nullopt;
  return found->second;
}

}  // namespace closewatch
