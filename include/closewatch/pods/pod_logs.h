// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "closewatch/pods/metadata_source.h"

namespace closewatch {

/// What the name of a directory in /var/log/pods tells: "NAMESPACE_NAME_UID" (kubelet's
/// pkg/kubelet/kuberuntime/helpers.go, BuildPodLogsDirectory). None of the three can hold a "_".
struct PodLogName {
  std::string_view pod_namespace;
  std::string_view name;
  std::string_view uid;
};
std::optional<PodLogName> parse_pod_log_name(std::string_view directory);

/// What the name of a link in /var/log/containers tells: "POD_NAMESPACE_CONTAINER-ID.log"
/// (kubelet's pkg/kubelet/kuberuntime/legacy.go). What is longer than a file's name may be the
/// kubelet cuts before ".log": then `id` is its beginning. nullopt also where less than four digits
/// of it are left.
struct ContainerLogName {
  std::string_view container;
  std::string_view id;
};
std::optional<ContainerLogName> parse_container_log_name(std::string_view link);

/// Names from the log directories that the kubelet keeps: no API server, no token, no network.
/// Knows no workloads.
class PodLogs final : public MetadataSource {
 public:
  PodLogs(std::string pod_logs, std::string container_logs);

  Result<void> refresh() override;
  [[nodiscard]] std::optional<PodMetadata> pod(std::string_view uid) const override;
  [[nodiscard]] std::optional<std::string> container_name(std::string_view id) const override;

 private:
  Result<void> refresh_pods();
  Result<void> refresh_containers();

  std::string pod_logs_;
  std::string container_logs_;
  std::map<std::string, PodMetadata, std::less<>> pods_;
  std::map<std::string, std::string, std::less<>> containers_;
  /// Whose links are cut, by the beginning of the id: few pods have such long names.
  std::map<std::string, std::string, std::less<>> cut_containers_;
};

}  // namespace closewatch
