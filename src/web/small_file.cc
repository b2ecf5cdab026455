// SPDX-License-Identifier: Apache-2.0
#include "web/small_file.h"

#include <filesystem>
#include <system_error>

#include "closewatch/base/file.h"

namespace closewatch::web {

Result<std::string> read_small_file(const std::string& path) {
  constexpr std::size_t kMost = std::size_t{1} << 20U;
  std::error_code unseen;
  const auto status = std::filesystem::status(path, unseen);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return fail(ErrorKind::kMalformed, path + " is no regular file");
  }
  std::string text;
  if (const auto read = read_file_at(kWorkingDirectory, path.c_str(), text, kMost); !read) {
    return tl::unexpected(read.error());
  }
  return text;
}

}  // namespace closewatch::web
