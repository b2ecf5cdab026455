// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/unique_fd.h"
#include "closewatch/node/open_cgroup.h"

namespace closewatch {

/// Which directory it is, as long as it is open.
struct DirectoryId {
  dev_t device = 0;
  ino_t inode = 0;
};

/// A directory inside a pod's: a container's, or one that is ignored.
struct KnownContainer {
  std::string name;  ///< the directory's
  std::string id;    ///< empty where it names no container
  bool ignored = false;
  std::shared_ptr<const OpenCgroup> cgroup;
  DirectoryId at = {};
};

/// Pods' directories that were looked through before, by path, kept open with those of their
/// containers. A pod in which nothing has changed needs no reading of its directory, which holds
/// some 60 files. Nothing is taken for granted: that the path still leads to the same directory,
/// and each name in it to the same container, is seen each time, and kernfs counts the directories
/// in it (kernfs_refresh_inode() in fs/kernfs/inode.c), so there is no other. Belongs to one
/// thread.
class KnownPods {
 public:
  /// Keeps no more than `most` descriptors open.
  explicit KnownPods(std::size_t most) : most_(most) {}

  /// The containers of the pod whose directory is `name` in the directory `parent`; nullptr when it
  /// has to be looked through.
  const std::vector<KnownContainer>* look(int parent, const char* name, const std::string& path);
  /// Whether one more pod may be kept.
  [[nodiscard]] bool has_room() const { return open_ < most_; }
  /// Remembers a pod that was looked through, unless `containers` are not all the directories in
  /// it.
  void keep(const std::string& path, std::shared_ptr<const OpenCgroup> directory,
            std::vector<KnownContainer> containers);
  /// Forgets those that were not looked at since the last call.
  void forget_others();

 private:
  struct Known {
    DirectoryId id;
    std::shared_ptr<const OpenCgroup> directory;
    std::vector<KnownContainer> containers;
    bool seen = true;

    /// A container's directory, and its list of processes.
    [[nodiscard]] std::size_t descriptors() const { return 1 + 2 * containers.size(); }
  };
  void forget(std::map<std::string, Known, std::less<>>::iterator known);

  std::size_t most_;
  std::size_t open_ = 0;
  std::map<std::string, Known, std::less<>> pods_;
};

}  // namespace closewatch
