// SPDX-License-Identifier: Apache-2.0
#include "pods/cgroup_path.h"

#include <algorithm>
#include <optional>

#include "closewatch/kubernetes/object_name.h"

namespace closewatch {
namespace {

constexpr std::string_view kSlice = ".slice";

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_container_id(std::string_view text) {
  return text.size() == kContainerIdLength && std::all_of(text.begin(), text.end(), is_hex);
}

/// It becomes a label, so it is no longer than the name of an object of Kubernetes may be.
bool is_uid(std::string_view text) {
  return !text.empty() && text.size() <= kLongestObjectName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
         });
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return text;
}

/// "kubelet-kubepods-burstable", all but the ".slice": whether the kubelet keeps pods in there. It
/// calls its directory below `--cgroup-root` kubepods (defaultNodeAllocatableCgroupName of
/// pkg/kubelet/cm), and a slice bears the names of all slices above it.
bool is_stem_of_pods(std::string_view stem) {
  for (const std::string_view qos : {"-burstable", "-besteffort"}) {
    if (stem.ends_with(qos)) stem.remove_suffix(qos.size());
  }
  return stem == "kubepods" || stem.ends_with("-kubepods");
}

/// "kubepods-burstable-pod1234_5678.slice" → "1234-5678". systemd reads "-" as a level of the tree,
/// so the kubelet writes a uid's dashes as underscores.
std::optional<std::string> uid_of_slice(std::string_view name) {
  constexpr std::string_view kMark = "-pod";
  if (!name.ends_with(kSlice)) return std::nullopt;
  name = without_suffix(name, kSlice);
  const auto mark = name.rfind(kMark);
  if (mark == std::string_view::npos || !is_stem_of_pods(name.substr(0, mark))) {
    return std::nullopt;
  }
  std::string uid(name.substr(mark + kMark.size()));
  std::replace(uid.begin(), uid.end(), '_', '-');
  if (!is_uid(uid)) return std::nullopt;
  return uid;
}

/// "pod1234-5678" → "1234-5678", the cgroupfs driver's form.
std::optional<std::string> uid_of_directory(std::string_view name) {
  constexpr std::string_view kPrefix = "pod";
  if (!name.starts_with(kPrefix) || !is_uid(name.substr(kPrefix.size()))) return std::nullopt;
  return std::string(name.substr(kPrefix.size()));
}

CgroupPosition position_of_pod(const std::string& uid) {
  CgroupPosition position;
  position.below_kubepods = true;
  position.pod_uid = uid;
  return position;
}

struct ContainerName {
  std::string_view id;
  std::string_view runtime;
};

/// "cri-containerd-ID.scope", "crio-ID", "ID" → runtime and ID.
std::optional<ContainerName> container_named(std::string_view name) {
  name = without_suffix(name, ".scope");
  if (name.size() < kContainerIdLength) return std::nullopt;
  const auto id = name.substr(name.size() - kContainerIdLength);
  if (!is_container_id(id)) return std::nullopt;
  auto runtime = name.substr(0, name.size() - id.size());
  if (runtime.empty()) return ContainerName{id, runtime};
  if (!runtime.ends_with('-')) return std::nullopt;
  runtime.remove_suffix(1);
  return ContainerName{id, runtime};
}

/// "kubepods-pod1234.slice:cri-containerd:ID": what a runtime with the cgroupfs driver makes of the
/// path that a kubelet with the systemd driver asks for, literally, anywhere in the tree.
std::optional<CgroupPosition> mismatched_driver(std::string_view name) {
  const auto first = name.find(".slice:");
  if (first == std::string_view::npos) return std::nullopt;
  const auto slice = name.substr(0, first + kSlice.size());
  const auto rest = name.substr(slice.size() + 1);
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto uid = uid_of_slice(slice);
  const auto id = rest.substr(colon + 1);
  if (!uid || !is_container_id(id)) return std::nullopt;
  auto position = position_of_pod(*uid);
  position.container_id = id;
  return position;
}

std::optional<std::string> pod_uid_of(const CgroupPosition& parent, std::string_view name) {
  if (!parent.holds_pods) return std::nullopt;
  if (auto uid = uid_of_slice(name)) return uid;
  return uid_of_directory(name);
}

/// Whether the kubelet keeps pods in the directory `name`: its own, or that of a QoS class.
bool holds_pods(const CgroupPosition& parent, std::string_view name) {
  if (name.ends_with(kSlice)) return is_stem_of_pods(without_suffix(name, kSlice));
  return name == "kubepods" || (parent.holds_pods && (name == "burstable" || name == "besteffort"));
}

/// Whether directories in there may be made by others than root, to whom a unit was handed.
/// Machines (systemd-nspawn(1), systemd-machined(8)) may be nodes, as containers may.
bool is_delegated(std::string_view name) {
  if (name.starts_with("systemd-nspawn@") || name.starts_with("machine-")) return false;
  return name == "user.slice" || name.ends_with(".service") || name.ends_with(".scope");
}

/// Calls `use(line's path)` for each line "N:controllers:/path" until it returns true.
template <typename Use>
bool any_path(std::string_view proc_cgroup, Use use) {
  while (!proc_cgroup.empty()) {
    const auto line = proc_cgroup.substr(0, proc_cgroup.find('\n'));
    proc_cgroup.remove_prefix(std::min(line.size() + 1, proc_cgroup.size()));
    const auto slash = line.find(":/");
    if (slash != std::string_view::npos && use(line.substr(slash + 1))) return true;
  }
  return false;
}

/// Calls `use(directory)` for each directory of a path until it returns true.
template <typename Use>
bool any_directory(std::string_view path, Use use) {
  while (!path.empty()) {
    const auto directory = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(directory.size() + 1, path.size()));
    if (!directory.empty() && use(directory)) return true;
  }
  return false;
}

}  // namespace

CgroupPosition step_into(const CgroupPosition& parent, std::string_view name) {
  if (parent.ignored || (!parent.pod_uid.empty() && !parent.container_id.empty())) return parent;
  CgroupPosition here = parent;
  here.holds_pods = here.service = false;
  if (name.ends_with(".mount") || name == "conmon") {
    here.ignored = true;
    return here;
  }
  if (!parent.delegated || parent.service) {
    if (auto position = mismatched_driver(name)) return *position;
  }
  if (const auto container = container_named(name)) {
    here.ignored = container->runtime.ends_with("conmon");
    here.container_id = container->id;
    return here;
  }
  if (parent.delegated) return here;
  if (auto uid = pod_uid_of(parent, name)) return position_of_pod(*uid);
  here.holds_pods = holds_pods(parent, name);
  here.below_kubepods |= here.holds_pods;
  here.delegated = is_delegated(name);
  here.service = name.ends_with(".service");
  return here;
}

CgroupPosition locate(std::string_view path) {
  CgroupPosition position;
  any_directory(path, [&](std::string_view directory) {
    position = step_into(position, directory);
    return false;
  });
  return position;
}

bool lists_directory(std::string_view proc_cgroup, std::string_view directory) {
  return any_path(proc_cgroup, [&](std::string_view path) {
    return any_directory(path, [&](std::string_view found) { return found == directory; });
  });
}

std::string container_of(std::string_view proc_cgroup) {
  std::string id;
  any_path(proc_cgroup, [&](std::string_view path) {
    id = locate(path).container_id;
    return !id.empty();
  });
  return id;
}

}  // namespace closewatch
