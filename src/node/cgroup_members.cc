#include "closewatch/node/cgroup_members.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

constexpr int kDeepestDirectory = 32;  // of directories below a container's

void parse_pids(std::string_view text, std::vector<pid_t>& pids) {
  pids.clear();
  while (!text.empty()) {
    if (const auto pid = take_number<pid_t>(text)) pids.push_back(*pid);
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  std::sort(pids.begin(), pids.end());
}

class MembersWalk {
 public:
  explicit MembersWalk(const MembersVisitor& visitor) : visitor_(visitor) {}

  void visit(int parent, const char* path, int depth) {
    auto directory = open_at(parent, path, O_RDONLY | O_DIRECTORY);
    if (!directory) {
      errors_.push_back(std::move(directory.error()));
      return;
    }
    struct stat status {};
    if (::fstat(directory->get(), &status) != 0) {
      errors_.push_back(
          fail_errno(errno, "looking at cgroup directory " + std::string(path)).value());
      return;
    }
    members(directory->get(), status.st_ino);
    constexpr nlink_t kLeaf = 2;  // kernfs counts subdirectories in st_nlink
    if (status.st_nlink == kLeaf) return;
    if (depth == kDeepestDirectory) {
      errors_.push_back(
          {ErrorKind::kMalformed, "cgroups nested too deep below " + std::string(path)});
      return;
    }
    auto entries = Directory::open(directory->get(), ".");
    if (!entries) return note(entries.error());
    DirectoryEntry entry{};
    auto more = entries->next(entry);
    for (; more && *more; more = entries->next(entry)) {
      if (entry.is_directory) visit(entries->fd(), std::string(entry.name).c_str(), depth + 1);
    }
    if (!more) note(more.error());
  }

  std::vector<Error> errors() && { return std::move(errors_); }

 private:
  /// What has gone between two calls is no error.
  void note(Error error) {
    if (error.kind != ErrorKind::kGone) errors_.push_back(std::move(error));
  }

  void members(int directory, std::uint64_t cgroup_id) {
    auto read = read_file_at(directory, "cgroup.procs", text_);
    const bool threaded = !read && read.error().kind == ErrorKind::kUnsupported;
    if (!read && !threaded) {
      errors_.push_back(std::move(read.error()));
      return;
    }
    parse_pids(threaded ? std::string_view() : std::string_view(text_), pids_);
    visitor_(cgroup_id, pids_);
  }

  const MembersVisitor& visitor_;
  std::vector<Error> errors_;
  std::vector<pid_t> pids_;
  std::string text_;
};

}  // namespace

std::vector<Error> visit_members(const std::string& directory, const MembersVisitor& visitor) {
  MembersWalk walk(visitor);
  walk.visit(kWorkingDirectory, directory.c_str(), 0);
  return std::move(walk).errors();
}

}  // namespace closewatch
