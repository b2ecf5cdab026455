// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/pod_logs.h"

#include <algorithm>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/kubernetes/object_name.h"
#include "pods/cgroup_path.h"

namespace closewatch {
namespace {

/// Splits at the first `separator`: (before, after), nullopt without one.
std::optional<std::pair<std::string_view, std::string_view>> split(std::string_view text,
                                                                   char separator) {
  const auto at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

std::optional<PodLogName> parse_pod_log_name(std::string_view directory) {
  const auto first = split(directory, '_');
  if (!first) return std::nullopt;
  const auto second = split(first->second, '_');
  if (!second) return std::nullopt;
  if (!is_object_name(first->first) || !is_object_name(second->first) ||
      !is_object_name(second->second)) {
    return std::nullopt;
  }
  return PodLogName{first->first, second->first, second->second};
}

std::optional<ContainerLogName> parse_container_log_name(std::string_view link) {
  constexpr std::string_view kSuffix = ".log";
  constexpr std::size_t kLongestName = 255;  // ext4MaxFileNameLen of legacy.go
  constexpr std::size_t kFewestDigits = 4;
  const bool cut = link.size() == kLongestName;
  if (!link.ends_with(kSuffix)) return std::nullopt;
  link.remove_suffix(kSuffix.size());
  const auto pod = split(link, '_');
  if (!pod) return std::nullopt;
  const auto pod_namespace = split(pod->second, '_');
  if (!pod_namespace) return std::nullopt;
  const auto rest = pod_namespace->second;
  const auto dash = rest.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const ContainerLogName name{rest.substr(0, dash), rest.substr(dash + 1)};
  const bool whole = name.id.size() == kContainerIdLength;
  const bool enough = cut && name.id.size() >= kFewestDigits && name.id.size() < kContainerIdLength;
  if ((!whole && !enough) || !is_object_name(name.container)) return std::nullopt;
  return name;
}

PodLogs::PodLogs(std::string pod_logs, std::string container_logs)
    : pod_logs_(std::move(pod_logs)), container_logs_(std::move(container_logs)) {}

Result<void> PodLogs::refresh() {
  // Each directory on its own: pods have names even where those of containers are not to be had.
  const auto pods = refresh_pods();
  const auto containers = refresh_containers();
  return pods ? containers : pods;
}

Result<void> PodLogs::refresh_pods() {
  auto directory = Directory::open(kWorkingDirectory, pod_logs_.c_str());
  if (!directory) return tl::unexpected(directory.error());
  pods_.clear();
  DirectoryEntry entry{};
  auto more = directory->next(entry);
  for (; more && *more; more = directory->next(entry)) {
    if (const auto name = parse_pod_log_name(entry.name)) {
      pods_.insert_or_assign(std::string(name->uid), PodMetadata{std::string(name->pod_namespace),
                                                                 std::string(name->name), "", ""});
    }
  }
  if (!more) return tl::unexpected(more.error());
  return {};
}

Result<void> PodLogs::refresh_containers() {
  auto directory = Directory::open(kWorkingDirectory, container_logs_.c_str());
  if (!directory) return tl::unexpected(directory.error());
  containers_.clear();
  cut_containers_.clear();
  DirectoryEntry entry{};
  auto more = directory->next(entry);
  for (; more && *more; more = directory->next(entry)) {
    if (const auto name = parse_container_log_name(entry.name)) {
      auto& names = name->id.size() == kContainerIdLength ? containers_ : cut_containers_;
      names.insert_or_assign(std::string(name->id), std::string(name->container));
    }
  }
  if (!more) return tl::unexpected(more.error());
  return {};
}

std::optional<PodMetadata> PodLogs::pod(std::string_view uid) const {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string> PodLogs::container_name(std::string_view id) const {
  const auto found = containers_.find(id);
  if (found != containers_.end()) return found->second;
  const auto cut = std::find_if(cut_containers_.begin(), cut_containers_.end(),
                                [&](const auto& known) { return id.starts_with(known.first); });
  if (cut == cut_containers_.end()) return std::nullopt;
  return cut->second;
}

}  // namespace closewatch
