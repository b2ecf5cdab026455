#include "closewatch/pods/cgroup_members.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

constexpr int kDeepestFolder = 32;  // of folders below a container's

void parse_pids(std::string_view text, std::vector<pid_t>& pids) {
  pids.clear();
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    pid_t pid = 0;
    const auto parsed = std::from_chars(at, end, pid);
    if (parsed.ec == std::errc()) pids.push_back(pid);
    at = std::find(parsed.ptr, end, '\n');
    if (at != end) ++at;
  }
  std::sort(pids.begin(), pids.end());
}

class MembersWalk {
 public:
  explicit MembersWalk(const MembersVisitor& visitor) : visitor_(visitor) {}

  void visit(int parent, const char* path, int depth) {
    auto folder = open_at(parent, path, O_RDONLY | O_DIRECTORY);
    if (!folder) {
      errors_.push_back(std::move(folder.error()));
      return;
    }
    struct stat status {};
    if (::fstat(folder->get(), &status) != 0) {
      errors_.push_back({ErrorKind::kSystem, "looking at cgroup folder " + std::string(path)});
      return;
    }
    members(folder->get(), status.st_ino);
    constexpr nlink_t kLeaf = 2;  // kernfs counts subfolders in st_nlink
    if (status.st_nlink == kLeaf) return;
    if (depth == kDeepestFolder) {
      errors_.push_back(
          {ErrorKind::kMalformed, "cgroups nested too deep below " + std::string(path)});
      return;
    }
    auto entries = Folder::open(folder->get(), ".");
    if (!entries) return;  // gone between the two calls
    FolderEntry entry{};
    while (entries->next(entry)) {
      if (entry.is_folder) visit(entries->fd(), std::string(entry.name).c_str(), depth + 1);
    }
  }

  std::vector<Error> errors() && { return std::move(errors_); }

 private:
  void members(int folder, std::uint64_t cgroup_id) {
    auto read = read_file_at(folder, "cgroup.procs", text_);
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

std::vector<Error> visit_members(const std::string& folder, const MembersVisitor& visitor) {
  MembersWalk walk(visitor);
  walk.visit(kWorkingFolder, folder.c_str(), 0);
  return std::move(walk).errors();
}

}  // namespace closewatch
