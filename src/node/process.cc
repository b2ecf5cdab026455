// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

/// The number in "socket:[4711]", as sockfs_dname() of net/socket.c names sockets.
std::optional<std::uint32_t> socket_inode(std::string_view link) {
  constexpr std::string_view kPrefix = "socket:[";
  if (!link.starts_with(kPrefix)) return std::nullopt;
  link.remove_prefix(kPrefix.size());
  const auto inode = take_number<std::uint32_t>(link);
  return link.starts_with(']') ? inode : std::nullopt;
}

}  // namespace

Result<ProcessStat> parse_process_stat(std::string_view text) {
  const auto malformed = [] { return fail(ErrorKind::kMalformed, "/proc/PID/stat is malformed"); };
  // "PID (comm) state ppid …": comm may hold anything, parentheses and spaces too.
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return malformed();
  }
  ProcessStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  constexpr int kFieldsToStartTime = 20;  // from state (3) to starttime (22), a space before each
  auto rest = text.substr(close + 1);
  for (int field = 0; field < kFieldsToStartTime; ++field) {
    const auto space = rest.find(' ');
    if (space == std::string_view::npos) return malformed();
    rest.remove_prefix(space + 1);
  }
  const auto start_time = take_number<std::uint64_t>(rest);
  if (!start_time) return malformed();
  stat.start_time = *start_time;
  return stat;
}

Result<Process> Process::open(int proc, pid_t pid) {
  auto directory = open_at(proc, std::to_string(pid).c_str(), O_PATH | O_DIRECTORY);
  if (!directory) return tl::unexpected(directory.error());
  return Process(std::move(*directory));
}

Result<std::string> Process::read(const char* file) const {
  std::string text;
  if (auto done = read_file_at(directory_.get(), file, text); !done) {
    return tl::unexpected(done.error());
  }
  return text;
}

Result<ProcessStat> Process::stat() const { return read("stat").and_then(parse_process_stat); }

Result<std::string> Process::cgroup() const { return read("cgroup"); }

Result<std::string> Process::program() const {
  std::array<char, PATH_MAX> target{};
  const auto size = ::readlinkat(directory_.get(), "exe", target.data(), target.size());
  if (size < 0) return fail_errno(errno, "reading the link to a process's program");
  return std::string(target.data(), static_cast<std::size_t>(size));
}

Result<void> Process::visit_sockets(std::size_t& left,
                                    const std::function<void(std::uint32_t inode)>& visitor) const {
  auto descriptors = Directory::open(directory_.get(), "fd");
  if (!descriptors) return tl::unexpected(descriptors.error());
  DirectoryEntry entry{};
  std::array<char, 64> target{};  // longer links are no sockets
  Result<void> all;
  auto more = descriptors->next(entry);
  for (; more && *more; more = descriptors->next(entry)) {
    if (left == 0) {
      return fail(ErrorKind::kOverLimit, "it has more descriptors than are looked at");
    }
    --left;
    const auto size =
        ::readlinkat(descriptors->fd(), entry.name.data(), target.data(), target.size());
    if (size < 0) {
      const bool closed_meanwhile = errno == ENOENT;
      if (!closed_meanwhile && all) all = fail_errno(errno, "reading a process's descriptor");
      continue;
    }
    if (const auto inode = socket_inode({target.data(), static_cast<std::size_t>(size)})) {
      visitor(*inode);
    }
  }
  if (!more) return tl::unexpected(more.error());
  return all;
}

Result<std::vector<pid_t>> list_processes(int proc) {
  auto directory = Directory::open(proc, ".");
  if (!directory) return tl::unexpected(directory.error());
  std::vector<pid_t> processes;
  DirectoryEntry entry{};
  auto more = directory->next(entry);
  for (; more && *more; more = directory->next(entry)) {
    if (const auto pid = whole_number<pid_t>(entry.name)) processes.push_back(*pid);
  }
  if (!more) return tl::unexpected(more.error());
  return processes;
}

}  // namespace closewatch
