// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "closewatch/web/web_access.h"
#include "web/small_file.h"
#include "web/web_settings.h"

namespace closewatch::web {
namespace {

/// Where the file is looked for, and where it is, as links lead there: what follows it is in one of
/// the two.
void add_directories(const std::string& file, std::vector<std::string>& directories) {
  const auto add = [&](const std::filesystem::path& path) {
    auto directory = path.parent_path().string();
    const auto known = std::find(directories.begin(), directories.end(), directory);
    if (known == directories.end()) directories.push_back(std::move(directory));
  };
  std::error_code unseen;
  add(std::filesystem::absolute(file, unseen));
  if (const auto real = std::filesystem::canonical(file, unseen); !unseen) add(real);
}

}  // namespace

Result<std::vector<std::string>> directories_of_web_config(const std::string& file) {
  std::vector<std::string> directories;
  if (file.empty()) return directories;
  const auto text = read_small_file(file);
  if (!text) return tl::unexpected(text.error());
  const auto parsed = parse_web_settings(*text, file);
  if (!parsed.mistakes.empty()) {
    return fail(ErrorKind::kMalformed, fmt::format("{}", fmt::join(parsed.mistakes, "\n")));
  }
  const auto& tls = parsed.settings.tls;
  for (const auto* const path :
       {&file, &tls.certificate.file, &tls.key.file, &tls.client_ca.file}) {
    if (!path->empty()) add_directories(*path, directories);
  }
  return directories;
}

}  // namespace closewatch::web
