// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/api_metadata.h"

#include <utility>

namespace closewatch {

ApiMetadata::ApiMetadata(const PodDirectory& directory, std::unique_ptr<MetadataSource> logs)
    : directory_(directory), logs_(std::move(logs)) {}

Result<void> ApiMetadata::refresh() {
  auto logs = logs_->refresh();
  const auto api = directory_.state();
  follows_ = api.has_value();
  if (api) return logs;
  return fail(api.error().kind,
              "the API server: " + api.error().what +
                  "; the names last known stay, the kubelet's log directories tell "
                  "those of later pods");
}

std::optional<PodMetadata> ApiMetadata::pod(std::string_view uid) const {
  auto known = directory_.find(uid);
  return known ? known : logs_->pod(uid);
}

std::optional<std::string> ApiMetadata::container_name(std::string_view id) const {
  return logs_->container_name(id);
}

std::optional<bool> ApiMetadata::follows_api_server() const { return follows_; }

}  // namespace closewatch
