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

Result<void> read_file_at(int directory, const char* path, std::string& text, std::size_t limit) {
  auto fd = open_at(directory, path, O_RDONLY);
  if (!fd) return tl::unexpected(fd.error());
  constexpr std::size_t kStep = 4096;
  std::size_t used = 0;
  while (true) {
    text.resize(used + kStep);
    const ssize_t got = ::read(fd->get(), text.data() + used, kStep);
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
