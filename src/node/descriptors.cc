// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/descriptors.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "closewatch/base/file.h"
#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

constexpr const char* kDescriptors = "fd";

Result<void> count_entries(int below, const std::string& path, std::size_t& left,
                           std::uint64_t& count) {
  auto directory = Directory::open(below, path.c_str());
  if (!directory) return tl::unexpected(directory.error());
  DirectoryEntry entry{};
  auto more = directory->next(entry);
  for (; more && *more; more = directory->next(entry)) {
    if (left == 0) {
      return fail(ErrorKind::kOverLimit, "it has more descriptors than are counted one by one");
    }
    --left;
    ++count;
  }
  if (!more) return tl::unexpected(more.error());
  return {};
}

}  // namespace

bool kernel_counts_descriptors() {
  struct stat status {};
  return ::stat("/proc/thread-self/fd", &status) == 0 && status.st_size > 0;
}

Result<OpenDescriptors> open_descriptors(int below, const char* path, bool kernel_counts,
                                         std::size_t& left) {
  const auto descriptors = std::string(path) + "/" + kDescriptors;
  struct stat status {};
  if (::fstatat(below, descriptors.c_str(), &status, 0) != 0) {
    return fail_errno(errno, "looking at /proc/PID/fd");
  }
  OpenDescriptors open{static_cast<std::uint64_t>(status.st_size), status.st_ino};
  if (kernel_counts) return open;
  open.count = 0;
  if (auto counted = count_entries(below, descriptors, left, open.count); !counted) {
    return tl::unexpected(counted.error());
  }
  return open;
}

Result<std::optional<std::uint64_t>> parse_descriptor_limit(std::string_view limits) {
  constexpr std::string_view kName = "Max open files ";
  constexpr std::string_view kUnlimited = "unlimited ";
  // Each limit has a line of its own (proc_pid_limits() in fs/proc/base.c).
  auto line = limits.find(kName);
  if (line != 0) line = limits.find("\n" + std::string(kName));
  if (line == std::string_view::npos) {
    return fail(ErrorKind::kMalformed, "/proc/PID/limits tells no limit of open files");
  }
  auto soft = limits.substr(limits.find(kName, line) + kName.size());
  soft.remove_prefix(std::min(soft.find_first_not_of(' '), soft.size()));
  if (soft.starts_with(kUnlimited)) return std::optional<std::uint64_t>();
  const auto limit = take_number<std::uint64_t>(soft);
  if (!limit || !soft.starts_with(' ')) {
    return fail(ErrorKind::kMalformed, "/proc/PID/limits is malformed");
  }
  return limit;
}

Result<std::optional<std::uint64_t>> descriptor_limit(int process_directory) {
  std::string text;
  if (auto read = read_file_at(process_directory, "limits", text); !read) {
    return tl::unexpected(read.error());
  }
  return parse_descriptor_limit(text);
}

}  // namespace closewatch
