// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/pod_metadata.h"

namespace closewatch {

/// Where names come from. Belongs to one thread.
class MetadataSource {
 public:
  MetadataSource() = default;
  MetadataSource(const MetadataSource&) = delete;
  MetadataSource& operator=(const MetadataSource&) = delete;
  virtual ~MetadataSource() = default;

  /// Brings the names up to date. After an error the last known names stay.
  virtual Result<void> refresh() = 0;
  [[nodiscard]] virtual std::optional<PodMetadata> pod(std::string_view uid) const = 0;
  [[nodiscard]] virtual std::optional<std::string> container_name(std::string_view id) const = 0;
  /// Whether the API server tells of changes now; nullopt where it is not asked.
  [[nodiscard]] virtual std::optional<bool> follows_api_server() const { return std::nullopt; }
};

}  // namespace closewatch
