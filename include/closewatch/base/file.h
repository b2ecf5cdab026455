// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {

/// Paths are given as (directory descriptor, path below it), as to openat(2); `kWorkingDirectory`
/// means "as the path stands". Keeping to one descriptor of /proc/PID is what makes reading a
/// process safe against the reuse of its number.
inline constexpr int kWorkingDirectory = -100;  // AT_FDCWD

/// Opens without O_CREAT; `flags` as to openat(2), O_CLOEXEC is added. `path` must be followed by a
/// null byte.
Result<UniqueFd> open_at(int directory, const char* path, int flags);

/// The whole of a small file, as a /proc or cgroup file is: read until its end, at most `limit`
/// bytes. Appends to nothing: `text` is replaced, its memory reused.
Result<void> read_file_at(int directory, const char* path, std::string& text,
                          std::size_t limit = std::size_t{16} << 20U);

/// Likewise of what is open already, whatever was read of it before. `path` is for the error.
Result<void> read_from_start(int fd, const char* path, std::string& text,
                             std::size_t limit = std::size_t{16} << 20U);

/// One entry of a directory. `name` is valid until the next call on the same Directory.
struct DirectoryEntry {
  std::string_view name;
  bool is_directory;
};

/// Reads a directory entry by entry, without "." and "..". Not thread-safe.
class Directory {
 public:
  static Result<Directory> open(int directory, const char* path);

  /// Fills `entry`; false at the end. An error (kGone, kSystem, kDenied) is no end: more may
  /// follow.
  Result<bool> next(DirectoryEntry& entry);
  /// For openat(2) below this directory.
  [[nodiscard]] int fd() const;

 private:
  struct Closer {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  explicit Directory(DIR* stream) : stream_(stream) {}

  std::unique_ptr<DIR, Closer> stream_;
};

}  // namespace closewatch
