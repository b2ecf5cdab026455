#include "app/api_names.h"

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <utility>

namespace closewatch {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return value == nullptr ? "" : value;
}

/// Host and port out of HOST:PORT or [IPv6]:PORT.
ApiAccess access_at(const std::string& address, std::string service_account) {
  const auto colon = address.rfind(':');
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {std::move(host), address.substr(colon + 1), std::move(service_account)};
}

/// What a pod is told of its API server
/// (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
ApiAccess find_api_server(const Config& config) {
  if (!config.metadata.api_server.empty()) {
    return access_at(config.metadata.api_server, config.paths.service_account);
  }
  return {environment("KUBERNETES_SERVICE_HOST"), environment("KUBERNETES_SERVICE_PORT"),
          config.paths.service_account};
}

/// What is missing for asking the API server, with the remedy; empty when nothing is.
std::string missing_for(const Config& config, const ApiAccess& access) {
  if (config.metadata.node.empty()) {
    return "metadata.node is empty: set it to the pod's spec.nodeName";
  }
  if (access.host.empty() || access.port.empty()) {
    return "KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not in the environment: set "
           "metadata.api_server";
  }
  std::error_code ignored;
  if (!std::filesystem::exists(access.service_account + "/token", ignored)) {
    return access.service_account +
           "/token is not there: mount the service account's token, or set metadata.source to logs";
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ApiNames>> ApiNames::make(const Config& config,
                                                 boost::asio::io_context& context) {
  if (config.metadata.source == MetadataChoice::kLogs) return nullptr;
  auto access = find_api_server(config);
  if (const auto missing = missing_for(config, access); !missing.empty()) {
    if (config.metadata.source == MetadataChoice::kAuto) return nullptr;
    return fail(ErrorKind::kUnsupported, "metadata.source is api, but " + missing);
  }
  return std::make_unique<ApiNames>(
      context, std::move(access),
      PodWatcher::Settings{.node = config.metadata.node, .seed = std::random_device()()});
}

ApiNames::ApiNames(boost::asio::io_context& context, ApiAccess access,
                   PodWatcher::Settings settings)
    : context_(context),
      transport_(make_api_transport(context, std::move(access))),
      watcher_(context, *transport_, directory_, std::move(settings)) {
  watcher_.start();
}

void ApiNames::wait(std::chrono::milliseconds most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (!directory_.settled() && context_.run_one_until(deadline) > 0) {
  }
}

}  // namespace closewatch
