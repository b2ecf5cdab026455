// SPDX-License-Identifier: Apache-2.0
#include "pods/known_pods.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace closewatch {
namespace {

constexpr std::size_t kLinksOfLeaf = 2;

DirectoryId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

/// How many links the directory `name` in `parent` has, if it still is this one.
std::optional<std::size_t> links_of(int parent, const char* name, const DirectoryId& known) {
  struct stat there {};
  if (::fstatat(parent, name, &there, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  const bool same = there.st_ino == known.inode && there.st_dev == known.device;
  return same ? std::optional<std::size_t>(there.st_nlink) : std::nullopt;
}

}  // namespace

const std::vector<KnownContainer>* KnownPods::look(int parent, const char* name,
                                                   const std::string& path) {
  const auto known = pods_.find(path);
  if (known == pods_.end()) return nullptr;
  auto& [id, directory, containers, seen] = known->second;
  const auto inside = directory->directory();
  seen = links_of(parent, name, id) == kLinksOfLeaf + containers.size() &&
         std::all_of(containers.begin(), containers.end(), [&](const KnownContainer& container) {
           return links_of(inside, container.name.c_str(), container.at).has_value();
         });
  if (seen) return &containers;
  forget(known);
  return nullptr;
}

void KnownPods::keep(const std::string& path, std::shared_ptr<const OpenCgroup> directory,
                     std::vector<KnownContainer> containers) {
  const auto now = directory->look();
  if (!now || now->st_nlink != kLinksOfLeaf + containers.size()) return;
  for (auto& container : containers) {
    const auto there = container.cgroup->look();
    if (!there) return;
    container.at = id_of(*there);
  }
  Known known{id_of(*now), std::move(directory), std::move(containers)};
  if (open_ + known.descriptors() > most_) return;
  open_ += known.descriptors();
  pods_.insert_or_assign(path, std::move(known));
}

void KnownPods::forget(std::map<std::string, Known, std::less<>>::iterator known) {
  open_ -= known->second.descriptors();
  pods_.erase(known);
}

void KnownPods::forget_others() {
  for (auto known = pods_.begin(); known != pods_.end();) {
    const auto here = known++;
    if (!std::exchange(here->second.seen, false)) forget(here);
  }
}

}  // namespace closewatch
