// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/api_server.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>
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

}  // namespace

ApiAccess find_api_server(const std::string& address, const std::string& service_account) {
  if (!address.empty()) return access_at(address, service_account);
  return {environment("KUBERNETES_SERVICE_HOST"), environment("KUBERNETES_SERVICE_PORT"),
          service_account};
}

std::string missing_for(const ApiAccess& access, const std::string& otherwise) {
  if (access.host.empty() || access.port.empty()) {
    return "KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not in the environment: set "
           "metadata.api_server";
  }
  std::error_code ignored;
  if (!std::filesystem::exists(access.service_account + "/token", ignored)) {
    return access.service_account + "/token is not there: mount the service account's token, or " +
           otherwise;
  }
  return {};
}

}  // namespace closewatch
