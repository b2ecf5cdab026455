// SPDX-License-Identifier: Apache-2.0
#include "web/loaded_config.h"

#include <sys/stat.h>

#include <utility>

#include <fmt/format.h>

#include "web/small_file.h"
#include "web/tls_context.h"

namespace closewatch::web {
namespace {

Result<LoadedConfig> load_file(const std::string& file) {
  const auto text = read_small_file(file);
  if (!text) return tl::unexpected(text.error());
  auto parsed = parse_web_settings(*text, file);
  if (!parsed.mistakes.empty()) {
    return fail(ErrorKind::kMalformed, fmt::format("{}", fmt::join(parsed.mistakes, "\n")));
  }
  auto tls = make_tls_context(parsed.settings.tls);
  if (!tls) return fail(ErrorKind::kMalformed, file + ": " + tls.error().what);
  for (auto& remark : tls->remarks) parsed.remarks.push_back(file + ": " + std::move(remark));
  return LoadedConfig{std::move(parsed.settings), std::move(tls->context),
                      std::move(parsed.remarks)};
}

}  // namespace

Result<LoadedConfig> load_config(const std::string& file, bool takes_tokens) {
  auto config = file.empty() ? Result<LoadedConfig>(LoadedConfig{}) : load_file(file);
  if (config && takes_tokens && config->tls == nullptr) {
    config->remarks.emplace_back(
        "web.kubernetes-auth: tokens come over plain HTTP, and whoever reads one on its way can use "
        "it: give web.config.file a certificate");
  }
  return config;
}

std::string state_of_files(const std::string& file, const WebSettings& settings) {
  std::string state;
  for (const auto* const path : {&file, &settings.tls.certificate.file, &settings.tls.key.file,
                                 &settings.tls.client_ca.file}) {
    struct stat found {};
    if (path->empty() || ::stat(path->c_str(), &found) != 0) {
      state += "-;";
      continue;
    }
    state += fmt::format("{}:{}:{}:{}.{}:{}.{};", found.st_dev, found.st_ino, found.st_size,
                         found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec,
                         found.st_ctim.tv_nsec);
  }
  return state;
}

}  // namespace closewatch::web
