// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/cgroup_tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <map>
#include <utility>

#include "closewatch/base/file.h"
#include "pods/cgroup_path.h"
#include "pods/known_pods.h"

namespace closewatch {
namespace {

// Deeper than any runtime nests; bounds the recursion whatever the tree looks like.
constexpr int kMaxDepth = 32;

/// kernfs counts a directory's subdirectories in its link count (kernfs_refresh_inode() in
/// fs/kernfs/inode.c), so a leaf shows without reading its 60 files. File systems that do not count
/// say 1.
bool may_have_subdirectories(int directory) {
  constexpr nlink_t kLeaf = 2;
  struct stat status {};
  return ::fstat(directory, &status) == 0 && status.st_nlink != kLeaf;
}

class TreeWalk {
 public:
  TreeWalk(std::size_t most_others, KnownPods& known) : most_others_(most_others), known_(known) {}

  void hierarchy(const CgroupDirectory& root) {
    unified_ = root.unified;
    visit(kWorkingDirectory, root.path.c_str(), root.path, CgroupPosition{}, 0);
  }

  CgroupPods result() && {
    for (auto& [uid, seen] : pods_) {
      if (is_left_over(seen)) continue;
      PodCgroup pod{uid, {}};
      for (auto& [id, container] : seen.containers) pod.containers.push_back(std::move(container));
      found_.pods.push_back(std::move(pod));
    }
    return std::move(found_);
  }

 private:
  using Containers = std::map<std::string, Container>;
  struct SeenPod {
    Containers containers;
    bool in_v1 = false;
  };

  /// A kubelet of the hybrid layout makes and removes its pods in the v1 hierarchies; the runtime
  /// makes the directories in v2, and nobody removes the pod's there.
  [[nodiscard]] bool is_left_over(const SeenPod& pod) const {
    return v1_kubepods_ && !pod.in_v1 && pod.containers.empty();
  }

  void visit(int parent, const char* name, const std::string& path, const CgroupPosition& position,
             int depth) {
    auto directory = Directory::open(parent, name);
    if (!directory) {
      if (directory.error().kind != ErrorKind::kGone) found_.errors.push_back(directory.error());
      return;
    }
    if (!may_have_subdirectories(directory->fd())) return;
    if (depth == kMaxDepth) {
      found_.errors.emplace_back(ErrorKind::kOverLimit, "cgroup tree too deep below " + path);
      return;
    }
    if (!position.below_kubepods && !takes_another(path)) return;
    DirectoryEntry entry{};
    auto more = directory->next(entry);
    for (; more && *more; more = directory->next(entry)) {
      if (entry.is_directory)
        enter(directory->fd(), std::string(entry.name), path, position, depth);
    }
    if (!more && more.error().kind != ErrorKind::kGone) found_.errors.push_back(more.error());
  }

  /// Whether a directory that is not a kubelet's may be looked into.
  bool takes_another(const std::string& path) {
    if (others_ < most_others_) {
      ++others_;
      return true;
    }
    if (!others_over_) {
      found_.errors.emplace_back(ErrorKind::kOverLimit,
                                 "there are more than " + std::to_string(most_others_) +
                                     " cgroups with others below them that are no kubelet's, the "
                                     "most that are looked into: pods below " +
                                     path + " may be missing");
    }
    others_over_ = true;
    return false;
  }

  void enter(int parent_directory, const std::string& name, const std::string& parent_path,
             const CgroupPosition& parent, int depth) {
    const auto here = step_into(parent, name);
    // In a service may stand what its runtime makes of a path that it does not understand.
    if (here.ignored || (here.delegated && !here.service)) {
      if (here.ignored) keep(parent_directory, name, here);
      return;
    }
    const std::string path = parent_path + "/" + name;
    found_.kubepods |= here.below_kubepods;
    v1_kubepods_ |= here.below_kubepods && !unified_;
    if (here.pod_uid.empty()) {
      visit(parent_directory, name.c_str(), path, here, depth + 1);
    } else if (!here.container_id.empty() || parent.pod_uid == here.pod_uid) {
      keep(parent_directory, name, here);
      add_container(here.pod_uid, path, here.container_id, nullptr);
    } else {
      pods_[here.pod_uid].in_v1 |= !unified_;
      visit_pod(parent_directory, name, path, here, depth + 1);
    }
  }

  void visit_pod(int parent, const std::string& name, const std::string& path,
                 const CgroupPosition& position, int depth) {
    if (const auto* const containers = known_.look(parent, name.c_str(), path)) {
      for (const auto& known : *containers) {
        if (known.ignored) continue;
        add_container(position.pod_uid, path + "/" + known.name, known.id, known.cgroup);
      }
      return;
    }
    met_.clear();
    keeps_ = known_.has_room();
    const auto directory = OpenCgroup::open(parent, name.c_str(), unified_);
    visit(parent, name.c_str(), path, position, depth);
    if (keeps_ && directory) known_.keep(path, *directory, std::move(met_));
    keeps_ = false;
  }

  /// A directory of the pod that is being looked through, for the next time.
  void keep(int parent, const std::string& name, const CgroupPosition& here) {
    if (!keeps_) return;
    auto cgroup = OpenCgroup::open(parent, name.c_str(), unified_);
    keeps_ = cgroup.has_value();
    if (keeps_) met_.push_back({name, here.container_id, here.ignored, std::move(*cgroup)});
  }

  /// A container, or a directory of the pod that names none, such as a Kata sandbox's: then the
  /// path tells it apart. What lies below is for whoever looks for its processes.
  void add_container(const std::string& pod_uid, const std::string& path, const std::string& id,
                     std::shared_ptr<const OpenCgroup> open) {
    auto& container = pods_[pod_uid].containers[id.empty() ? path : id];
    container.id = id;
    container.cgroup_directories.push_back({path, unified_, std::move(open)});
  }

  CgroupPods found_;
  std::map<std::string, SeenPod> pods_;
  std::size_t most_others_;
  std::size_t others_ = 0;
  bool others_over_ = false;
  KnownPods& known_;
  std::vector<KnownContainer> met_;  // of the pod that is being looked through
  bool keeps_ = false;               // it will be known from then on
  bool unified_ = false;             // the hierarchy that is being walked
  bool v1_kubepods_ = false;         // a kubelet's directory is in a v1 hierarchy
};

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

std::vector<CgroupDirectory> cgroup_hierarchies(const std::string& root) {
  // cgroup.controllers is in the root of every cgroup v2 hierarchy and in no v1 one.
  if (exists(root + "/cgroup.controllers")) return {{root, true}};
  std::vector<CgroupDirectory> hierarchies;
  if (exists(root + "/unified/cgroup.controllers"))
    hierarchies.push_back({root + "/unified", true});
  // One v1 controller is enough: the kubelet makes a pod's directory in all of those it requires
  // (expectedCgroups of pkg/kubelet/cm/cgroup_manager_linux.go).
  constexpr std::array kControllers = {"memory", "cpu", "cpu,cpuacct", "pids", "systemd"};
  for (const auto* const controller : kControllers) {
    if (!exists(root + "/" + controller)) continue;
    hierarchies.push_back({root + "/" + controller, false});
    break;
  }
  return hierarchies;
}

CgroupTree::CgroupTree(std::string root, std::size_t most_open, std::size_t most_others)
    : root_(std::move(root)),
      most_others_(most_others),
      known_(std::make_unique<KnownPods>(most_open)) {}
CgroupTree::CgroupTree(CgroupTree&&) noexcept = default;
CgroupTree& CgroupTree::operator=(CgroupTree&&) noexcept = default;
CgroupTree::~CgroupTree() = default;

Result<CgroupPods> CgroupTree::find_pods() {
  const auto hierarchies = cgroup_hierarchies(root_);
  if (hierarchies.empty()) {
    return fail(ErrorKind::kUnsupported, "no cgroup hierarchy in " + root_ +
                                             ": mount the host's /sys/fs/cgroup there, or set "
                                             "paths.cgroup");
  }
  TreeWalk walk(most_others_, *known_);
  for (const auto& hierarchy : hierarchies) walk.hierarchy(hierarchy);
  known_->forget_others();
  return std::move(walk).result();
}

}  // namespace closewatch
