// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/cgroup_members.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

constexpr int kDeepestDirectory = 32;       // of directories below a container's
constexpr std::size_t kBytesOfProcess = 8;  // "4194304\n", PID_MAX_LIMIT of linux/threads.h

Error over_limit(const char* what, std::size_t most) {
  return {ErrorKind::kOverLimit, "its containers have more than " + std::to_string(most) + " " +
                                     what + ", the most that are looked at in a pod"};
}

void parse_pids(std::string_view text, std::vector<pid_t>& pids) {
  pids.clear();
  while (!text.empty()) {
    if (const auto pid = take_number<pid_t>(text)) pids.push_back(*pid);
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  std::sort(pids.begin(), pids.end());
}

enum class Processes : bool { kLeftOut, kAskedFor };

class MembersWalk {
 public:
  MembersWalk(Processes processes, MembersLeft& left, const MembersVisitor& visitor)
      : processes_(processes), left_(left), visitor_(visitor) {}

  /// What is kept open by the caller.
  void visit(const OpenCgroup& cgroup, const char* path) {
    if (takes_another()) look_into(cgroup, path, 0);
  }

  void visit(int parent, const char* path, int depth) {
    if (!takes_another()) return;
    const auto cgroup = OpenCgroup::open(parent, path, false);
    if (!cgroup) {
      errors_.push_back(cgroup.error());
      return;
    }
    look_into(**cgroup, path, depth);
  }

  std::vector<Error> errors() && { return std::move(errors_); }

 private:
  bool takes_another() {
    if (over_) return false;
    if (left_.directories == 0) {
      give_up("cgroups", MembersLeft{}.directories);
      return false;
    }
    --left_.directories;
    return true;
  }

  void look_into(const OpenCgroup& cgroup, const char* path, int depth) {
    const auto status = cgroup.look();
    if (!status) {
      errors_.push_back(status.error());
      return;
    }
    members(cgroup, status->st_ino);
    constexpr nlink_t kLeaf = 2;  // kernfs counts subdirectories in st_nlink
    if (status->st_nlink == kLeaf) return;
    if (depth == kDeepestDirectory) {
      errors_.emplace_back(ErrorKind::kOverLimit,
                           "cgroups are nested too deep below " + std::string(path) +
                               ": no more than " + std::to_string(kDeepestDirectory) +
                               " directories below a container's are looked at");
      return;
    }
    auto entries = Directory::open(cgroup.directory(), ".");
    if (!entries) return note(entries.error());
    DirectoryEntry entry{};
    auto more = entries->next(entry);
    for (; more && *more && !over_; more = entries->next(entry)) {
      if (entry.is_directory) visit(entries->fd(), std::string(entry.name).c_str(), depth + 1);
    }
    if (!more) note(more.error());
  }

  /// What has gone between two calls is no error.
  void note(Error error) {
    if (error.kind != ErrorKind::kGone) errors_.push_back(std::move(error));
  }

  void give_up(const char* what, std::size_t most) {
    over_ = true;
    errors_.push_back(over_limit(what, most));
  }

  void members(const OpenCgroup& cgroup, std::uint64_t cgroup_id) {
    if (processes_ == Processes::kLeftOut) return visitor_(cgroup_id, pids_);
    constexpr auto kMost = MembersLeft{}.processes;
    auto read = cgroup.read_processes(text_, kMost * kBytesOfProcess);
    if (!read && read.error().kind == ErrorKind::kMalformed) return give_up("processes", kMost);
    const bool threaded = !read && read.error().kind == ErrorKind::kUnsupported;
    if (!read && !threaded) {
      errors_.push_back(std::move(read.error()));
      return;
    }
    parse_pids(threaded ? std::string_view() : std::string_view(text_), pids_);
    if (pids_.size() > left_.processes) return give_up("processes", kMost);
    left_.processes -= pids_.size();
    visitor_(cgroup_id, pids_);
  }

  Processes processes_;
  MembersLeft& left_;
  const MembersVisitor& visitor_;
  bool over_ = false;
  std::vector<Error> errors_;
  std::vector<pid_t> pids_;
  std::string text_;
};

}  // namespace

std::vector<Error> visit_members(const OpenCgroup& directory, const std::string& path,
                                 MembersLeft& left, const MembersVisitor& visitor) {
  MembersWalk walk(Processes::kAskedFor, left, visitor);
  walk.visit(directory, path.c_str());
  return std::move(walk).errors();
}

std::vector<Error> visit_members(const std::string& directory, MembersLeft& left,
                                 const MembersVisitor& visitor) {
  MembersWalk walk(Processes::kAskedFor, left, visitor);
  walk.visit(kWorkingDirectory, directory.c_str(), 0);
  return std::move(walk).errors();
}

std::vector<Error> visit_cgroups(const std::string& directory, MembersLeft& left,
                                 const MembersVisitor& visitor) {
  MembersWalk walk(Processes::kLeftOut, left, visitor);
  walk.visit(kWorkingDirectory, directory.c_str(), 0);
  return std::move(walk).errors();
}

}  // namespace closewatch
