#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {

/// Paths are given as (folder descriptor, path below it), as to openat(2); `kWorkingFolder` means
/// "as the path stands". Keeping to one descriptor of /proc/PID is what makes reading a process
/// safe against the reuse of its number.
inline constexpr int kWorkingFolder = -100;  // AT_FDCWD

/// Opens without O_CREAT; `flags` as to openat(2), O_CLOEXEC is added. `path` must be followed by a
/// null byte.
Result<UniqueFd> open_at(int folder, const char* path, int flags);

/// The whole of a small file, as a /proc or cgroup file is: read until its end, at most `limit`
/// bytes. Appends to nothing: `text` is replaced, its memory reused.
Result<void> read_file_at(int folder, const char* path, std::string& text,
                          std::size_t limit = std::size_t{16} << 20U);

/// One entry of a folder. `name` is valid until the next call on the same Folder.
struct FolderEntry {
  std::string_view name;
  bool is_folder;
};

/// Reads a folder entry by entry, without "." and "..". Not thread-safe.
class Folder {
 public:
  static Result<Folder> open(int folder, const char* path);

  /// Fills `entry`; false at the end.
  bool next(FolderEntry& entry);
  /// For openat(2) below this folder.
  [[nodiscard]] int fd() const;

 private:
  struct Closer {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  explicit Folder(DIR* stream) : stream_(stream) {}

  std::unique_ptr<DIR, Closer> stream_;
};

}  // namespace closewatch
