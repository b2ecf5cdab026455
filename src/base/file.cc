// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace closewatch {

static_assert(kWorkingDirectory == AT_FDCWD);

Result<UniqueFd> open_at(int directory, const char* path, int flags) {
  UniqueFd fd(::openat(directory, path, flags | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, std::string("opening ") + path);
  return fd;
}

namespace {

/// Asks `read_on(buffer, size, offset)` until it has no more.
template <typename ReadOn>
Result<void> read_whole(const char* path, std::string& text, std::size_t limit, ReadOn read_on) {
  constexpr std::size_t kStep = 4096;
  std::size_t used = 0;
  while (true) {
    text.resize(used + kStep);
    const ssize_t got = read_on(text.data() + used, kStep, used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error_number = errno;
      text.clear();
      return fail_errno(error_number, std::string("reading ") + path);
    }
    used += static_cast<std::size_t>(got);
    if (got == 0) break;
    if (used > limit) {
      text.clear();
      return fail(ErrorKind::kMalformed, std::string("reading ") + path + ": larger than " +
                                             std::to_string(limit) + " bytes");
    }
  }
  text.resize(used);
  return {};
}

}  // namespace

Result<void> read_file_at(int directory, const char* path, std::string& text, std::size_t limit) {
  const auto fd = open_at(directory, path, O_RDONLY);
  if (!fd) return tl::unexpected(fd.error());
  return read_whole(path, text, limit, [&](char* buffer, std::size_t size, std::size_t /*offset*/) {
    return ::read(fd->get(), buffer, size);
  });
}

Result<void> read_from_start(int fd, const char* path, std::string& text, std::size_t limit) {
  return read_whole(path, text, limit, [&](char* buffer, std::size_t size, std::size_t offset) {
    return ::pread(fd, buffer, size, static_cast<off_t>(offset));
  });
}

Result<Directory> Directory::open(int directory, const char* path) {
  auto fd = open_at(directory, path, O_RDONLY | O_DIRECTORY);
  if (!fd) return tl::unexpected(fd.error());
  DIR* stream = ::fdopendir(fd->get());
  if (stream == nullptr) return fail_errno(errno, std::string("opening ") + path);
  (void)fd->release();  // the stream has taken it over
  return Directory(stream);
}

Result<bool> Directory::next(DirectoryEntry& entry) {
  while (true) {
    errno = 0;  // readdir(3): the end and an error look the same otherwise
    const dirent* const found = ::readdir(stream_.get());
    if (found == nullptr && errno != 0) return fail_errno(errno, "reading a directory");
    if (found == nullptr) return false;
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = found->d_type == DT_DIR;
    if (found->d_type == DT_UNKNOWN) {  // file systems need not fill d_type, says readdir(3)
      struct stat status {};
      is_directory = ::fstatat(fd(), found->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISDIR(status.st_mode);
    }
    entry = {name, is_directory};
    return true;
  }
}

int Directory::fd() const { return ::dirfd(stream_.get()); }

}  // namespace closewatch
