// SPDX-License-Identifier: Apache-2.0
#include "app/api_names.h"

#include <random>
#include <string>
#include <utility>

#include "closewatch/kubernetes/api_server.h"

namespace closewatch {
namespace {

/// What is missing for asking it for names, with the remedy; empty when nothing is.
std::string missing_for_names(const Config& config, const ApiAccess& access) {
  if (config.metadata.node.empty()) {
    return "metadata.node is empty: set it to the pod's spec.nodeName";
  }
  return missing_for(access, "set metadata.source to logs");
}

}  // namespace

Result<std::optional<ApiAccess>> ApiNames::access_for(const Config& config) {
  if (config.metadata.source == MetadataChoice::kLogs) return std::nullopt;
  auto access = find_api_server(config.metadata.api_server, config.paths.service_account);
  const auto missing = missing_for_names(config, access);
  if (missing.empty()) return access;
  if (config.metadata.source == MetadataChoice::kAuto) return std::nullopt;
  return fail(ErrorKind::kUnsupported, "metadata.source is api, but " + missing);
}

Result<std::unique_ptr<ApiNames>> ApiNames::make(const Config& config,
                                                 boost::asio::io_context& context) {
  auto access = access_for(config);
  if (!access) return tl::unexpected(access.error());
  if (!*access) return nullptr;
  return std::make_unique<ApiNames>(context, std::move(**access), config.metadata.node);
}

ApiNames::ApiNames(boost::asio::io_context& context, ApiAccess access, std::string node,
                   std::function<void(const PodDirectory&)> changed)
    : context_(context),
      directory_([this, changed = std::move(changed)] { changed(directory_); }),
      transport_(make_api_transport(context, std::move(access))),
      watcher_(context, *transport_, directory_,
               {.node = std::move(node), .seed = std::random_device()()}) {
  watcher_.start();
}

void ApiNames::wait(std::chrono::milliseconds most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (!directory_.settled() && context_.run_one_until(deadline) > 0) {
  }
}

}  // namespace closewatch
