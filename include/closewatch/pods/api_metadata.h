// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/pods/metadata_source.h"

namespace closewatch {

/// Names and workloads that the API server told of; what it did not, the kubelet's log directories
/// fill in: pods that came while it was away, and the names of containers.
class ApiMetadata final : public MetadataSource {
 public:
  /// `directory` must outlive it.
  ApiMetadata(const PodDirectory& directory, std::unique_ptr<MetadataSource> logs);

  Result<void> refresh() override;
  [[nodiscard]] std::optional<PodMetadata> pod(std::string_view uid) const override;
  [[nodiscard]] std::optional<std::string> container_name(std::string_view id) const override;
  [[nodiscard]] std::optional<bool> follows_api_server() const override;

 private:
  const PodDirectory& directory_;
  std::unique_ptr<MetadataSource> logs_;
  bool follows_ = false;
};

}  // namespace closewatch
