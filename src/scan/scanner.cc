#include "closewatch/scan/scanner.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

namespace closewatch {
namespace {

constexpr const char* kNoCgroups =
    "it shares the host's network namespace, and without cgroup v2 nobody can tell its sockets from "
    "the node's";
constexpr const char* kNoCgroupsInText =
    "it shares the host's network namespace, and the engine procfs is not told which cgroup made a "
    "socket; take the engine inet_diag or bpf";

/// Of both, the oldest, as many as are listed.
void add_oldest(std::vector<CloseWaitSocket>& sockets, std::vector<CloseWaitSocket> others,
                std::size_t most) {
  sockets.insert(sockets.end(), others.begin(), others.end());
  std::stable_sort(sockets.begin(), sockets.end(),
                   [](const auto& a, const auto& b) { return a.age > b.age; });
  if (sockets.size() > most) sockets.resize(most);
}

Visibility visibility_after(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kGone:
      return Visibility::kNoProcess;
    case ErrorKind::kDenied:
    case ErrorKind::kForeign:
      return Visibility::kDenied;
    case ErrorKind::kInterrupted:
    case ErrorKind::kMalformed:
    case ErrorKind::kUnsupported:
    case ErrorKind::kSystem:
      return Visibility::kIncomplete;
  }
  return Visibility::kIncomplete;
}

ScanStage stage_of_reading(const Error& error) {
  return error.kind == ErrorKind::kMalformed ? ScanStage::kDecode : ScanStage::kSockets;
}

/// Who the pod is, nothing counted yet.
PodSnapshot identity(Pod pod) {
  PodSnapshot snapshot;
  static_cast<Pod&>(snapshot) = std::move(pod);
  return snapshot;
}

bool has_named_namespace(const Pod& pod) {
  return pod.located && std::holds_alternative<NamespaceFile>(pod.located->where);
}

void sort_by_name(std::vector<Pod>& pods) {
  std::sort(pods.begin(), pods.end(), [](const Pod& a, const Pod& b) {
    return std::tie(a.pod_namespace, a.name, a.uid) < std::tie(b.pod_namespace, b.name, b.uid);
  });
}

}  // namespace

Scanner::Scanner(std::unique_ptr<PodSource> pods, NamespaceOpener opener, SocketOwners owners,
                 std::unique_ptr<SocketSource> sockets, ScanSettings settings, const Clock& clock)
    : pods_(std::move(pods)),
      opener_(std::move(opener)),
      owners_(std::move(owners)),
      sockets_(std::move(sockets)),
      settings_(std::move(settings)),
      clock_(clock) {}

std::shared_ptr<const Snapshot> Scanner::scan(const std::function<bool()>& go_on) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->settings = settings_.diagnosis;
  snapshot->engines = settings_.engines;
  const auto started = clock_.steady_now();
  const auto cpu_before = clock_.thread_cpu();
  features_.socket_inode = false;

  bool whole = true;
  const auto asking = [&] { return whole = whole && go_on(); };
  if (auto list = pods_->list()) {
    read_all(std::move(*list), *snapshot, asking);
    if (!whole) return nullptr;
  } else {
    complain(*snapshot, ScanStage::kDiscovery, list.error());
    snapshot->pods = last_pods_unseen(list.error());
  }

  snapshot->taken_at = clock_.wall_now();
  snapshot->taken_at_steady = clock_.steady_now();
  snapshot->duration = snapshot->taken_at_steady - started;
  snapshot->cpu = clock_.thread_cpu() - cpu_before;
  cpu_total_ += snapshot->cpu;
  snapshot->cpu_total = cpu_total_;
  snapshot->interval = settings_.pacer.after(snapshot->cpu);
  record_trends(*snapshot);
  snapshot->errors = errors_;
  snapshot->features = features_;
  last_ = snapshot;
  return snapshot;
}

/// Stops between two pods when `go_on` says so.
void Scanner::read_all(PodList list, Snapshot& snapshot, const std::function<bool()>& go_on) {
  for (const auto& error : list.errors) complain(snapshot, ScanStage::kDiscovery, error);
  for (const auto& error : list.name_errors) complain(snapshot, ScanStage::kMetadata, error);
  features_.metadata_api = list.follows_api_server;
  if (!go_on()) return;
  histories_.follow(list);
  claims_.clear();
  host_pods_.clear();
  outside_ = false;
  const auto node = open_node(list, snapshot);
  sockets_->begin_scan(node.space ? std::optional(node.space->fd.get()) : std::nullopt);
  sort_by_name(list.pods);
  snapshot.pods.reserve(list.pods.size());
  for (auto& pod : list.pods) {
    if (!go_on()) return;
    snapshot.pods.push_back(read_pod(std::move(pod), node, snapshot));
  }
  distrust_shared_namespaces(snapshot);
  if (outside_) {
    hide_node(snapshot);
  } else if (node.space) {
    if (!go_on()) return;
    read_node(node, snapshot);
  }
}

Scanner::Node Scanner::open_node(const PodList& list, Snapshot& snapshot) {
  Node node;
  auto opened =
      list.node.and_then([&](const NamespaceLocator& locator) { return opener_.open(locator); });
  if (opened) {
    node.space = std::move(*opened);
  } else {
    complain(snapshot, ScanStage::kNamespace, opened.error());
    node.error = opened.error();
  }
  return node;
}

PodSnapshot Scanner::read_pod(Pod pod, const Node& node, Snapshot& snapshot) {
  auto seen = identity(std::move(pod));
  // Who does not know the host's namespace cannot tell a pod's own from it, and would blame the
  // pod.
  if (node.error && !has_named_namespace(seen)) {
    mark_unseen(seen, ScanStage::kNamespace, *node.error);
    return seen;
  }
  auto namespaces = opener_.open(seen, node.space ? std::optional(node.space->id) : std::nullopt);
  if (!namespaces) {
    outside_ |= namespaces.error().kind == ErrorKind::kForeign;
    mark_unseen(seen, ScanStage::kNamespace, namespaces.error());
    return seen;
  }
  seen.host_network = namespaces->host_network;
  for (const auto& space : namespaces->own) claims_.emplace_back(space.id, snapshot.pods.size());
  if (namespaces->sandboxed) {
    seen.hide(Visibility::kSandboxed,
              "a sandboxed runtime keeps its sockets out of the host's kernel");
  } else if (namespaces->host_network) {
    seen.hide(Visibility::kHostNetwork, settings_.ask_descriptors ? kNoCgroups : kNoCgroupsInText);
    if (namespaces->cgroups_known) {
      if (auto read = read_beside_host(std::move(*namespaces), seen, snapshot); !read) {
        mark_unseen(seen, stage_of_reading(read.error()), read.error());
      }
    }
  } else if (const auto read = read_sockets(*namespaces, seen, snapshot); !read) {
    mark_unseen(seen, stage_of_reading(read.error()), read.error());
  } else {
    seen.visibility = Visibility::kVisible;
  }
  return seen;
}

Result<void> Scanner::read_sockets(const PodNamespaces& namespaces, PodSnapshot& pod,
                                   Snapshot& snapshot) {
  if (auto read = read_own(namespaces, pod, snapshot); !read) return read;
  auto& history = histories_.of(pod);
  history.end_scan();
  diagnose_pod(pod, history, tally_);
  return {};
}

/// What a hostNetwork pod has in namespaces of its own, if it has any; its part of the host's comes
/// with the node.
Result<void> Scanner::read_beside_host(PodNamespaces namespaces, PodSnapshot& pod,
                                       Snapshot& snapshot) {
  HostPod shared;
  shared.place = snapshot.pods.size();
  if (!namespaces.own.empty()) {
    if (auto read = read_own(namespaces, pod, snapshot); !read) return read;
    shared.own_sums = std::exchange(pod.sums, {});
    shared.own_diagnosis = diagnose(tally_.pod_close_wait(), pod.containers, settings_.diagnosis);
    tally_.trim();
  }
  shared.cgroups = std::move(namespaces.cgroups);
  host_pods_.push_back(std::move(shared));
  return {};
}

/// Adds up the pod's own namespaces. Its history goes on until end_scan().
Result<void> Scanner::read_own(const PodNamespaces& namespaces, PodSnapshot& pod,
                               Snapshot& snapshot) {
  auto& history = histories_.of(pod);
  tally_.begin_pod(namespaces.cgroups, history.sockets());
  history.begin_scan();
  for (const auto& space : namespaces.own) {
    tally_.begin_namespace();
    const auto read = sockets_->read(space.fd.get(), {.tcp_info = true}, tally_);
    if (!read) return tl::unexpected(read.error());
    history.observe(learn(*read, space.id, tally_), clock_.steady_now(), tally_);
    pod.sums.add(tally_.sums());
  }
  find_containers(pod, namespaces.cgroups_known, snapshot);
  return {};
}

/// What the rows show of the kernel, and what to call the namespace that they are of.
NamespaceIdentity Scanner::learn(const SocketReading& reading, const NamespaceId& id,
                                 const SocketTally& tally) {
  const auto note = [](std::optional<bool>& feature, bool seen) {
    if (seen) feature = true;
    if (!feature) feature = false;
  };
  features_.netns_cookie = reading.namespace_cookie.has_value();
  if (tally.saw_full_socket()) {
    note(features_.cgroup_id, tally.saw_cgroup_id());
    note(features_.tcp_info, tally.saw_tcp_info());
  }
  if (reading.namespace_cookie) return {*reading.namespace_cookie, {}};
  return {0, id};
}

/// Where the kernel names no cgroup, or one that tells nothing as the pod's processes are in
/// cgroups of version 1, their descriptors tell the container.
void Scanner::find_containers(const PodSnapshot& pod, bool cgroups_known, Snapshot& snapshot) {
  if (pod.containers.empty() || !settings_.ask_descriptors) return;
  std::vector<std::uint32_t> inodes;
  for (const auto& socket : tally_.pod_close_wait()) {
    const bool told = socket.cgroup_known && cgroups_known;
    if (!told && socket.container == kNoContainer && socket.inode != 0) {
      inodes.push_back(socket.inode);
    }
  }
  if (inodes.empty()) return;
  features_.socket_inode = true;
  const auto owners = owners_.find(pod, std::move(inodes));
  if (owners.error) complain(snapshot, ScanStage::kNamespace, *owners.error);
  for (auto& socket : tally_.pod_close_wait()) {
    const auto owner = owners.by_inode.find(socket.inode);
    if (owner != owners.by_inode.end()) socket.container = owner->second.container;
  }
}

void Scanner::diagnose_pod(PodSnapshot& pod, const CloseWaitHistory& history,
                           SocketTally& tally) const {
  pod.diagnosis = diagnose(tally.pod_close_wait(), pod.containers, settings_.diagnosis);
  pod.diagnosis.entered = history.entered();
  pod.diagnosis.left = history.left();
  tally.trim();
}

/// The host's namespace, shared out among the hostNetwork pods and the node.
void Scanner::read_node(const Node& node, Snapshot& snapshot) {
  std::vector<std::vector<ContainerCgroup>> cgroups;
  cgroups.reserve(host_pods_.size());
  for (auto& pod : host_pods_) cgroups.push_back(std::move(pod.cgroups));
  host_tally_.begin(cgroups);
  const auto read = sockets_->read(node.space->fd.get(), {.tcp_info = true}, host_tally_);
  if (!read) {
    complain(snapshot, stage_of_reading(read.error()), read.error());
    for (const auto& pod : host_pods_) {
      snapshot.pods[pod.place].hide(visibility_after(read.error()), read.error().what);
    }
    return;
  }
  snapshot.node = host_tally_.node().sums().states;
  // Without ids all sockets are in the node's tally, and the pods' zeros would be no true ones. Old
  // kernels say "unknown" of all where cgroup v1's net_cls or net_prio is in use.
  if (host_tally_.saw_cgroup_id()) features_.cgroup_id = true;
  if (!features_.cgroup_id.value_or(false)) return;
  const auto host = learn(*read, node.space->id, host_tally_.node());
  for (std::size_t i = 0; i < host_pods_.size(); ++i) {
    share_out(host_pods_[i], snapshot.pods[host_pods_[i].place], host, host_tally_.pod(i));
  }
}

void Scanner::share_out(HostPod& shared, PodSnapshot& pod, const NamespaceIdentity& host,
                        SocketTally& tally) {
  auto& history = histories_.of(pod);
  if (!shared.own_sums) history.begin_scan();
  history.observe(host, clock_.steady_now(), tally);
  history.end_scan();
  pod.visibility = Visibility::kVisible;
  pod.detail.clear();
  pod.sums = tally.sums();
  diagnose_pod(pod, history, tally);
  if (!shared.own_sums) return;
  pod.sums.add(*shared.own_sums);
  pod.diagnosis.add(shared.own_diagnosis, settings_.diagnosis.peers);
  add_oldest(pod.diagnosis.sockets, std::move(shared.own_diagnosis.sockets),
             settings_.diagnosis.sockets);
}

/// Where pods of a node that is itself a container (kind, k3d) are on that node's network, or where
/// one pod's process has entered another's namespace, nobody can tell whose the sockets are.
void Scanner::distrust_shared_namespaces(Snapshot& snapshot) {
  std::sort(claims_.begin(), claims_.end());
  for (auto claim = claims_.begin(); claim != claims_.end();) {
    const auto others = std::find_if(
        claim, claims_.end(), [&](const auto& other) { return other.first != claim->first; });
    const bool shared = others - claim > 1;
    for (; claim != others; ++claim) {
      if (!shared) continue;
      auto& pod = snapshot.pods[claim->second];
      histories_.of(pod).disown_new();
      std::erase_if(host_pods_, [&](const HostPod& host) { return host.place == claim->second; });
      pod.host_network = true;
      pod.hide(Visibility::kHostNetwork, "it shares a network namespace with other pods");
    }
  }
}

/// Who does not see the pods' processes does not see the host's init either: what is number 1 here
/// is another's.
void Scanner::hide_node(Snapshot& snapshot) {
  snapshot.node.reset();
  complain(snapshot, ScanStage::kNamespace,
           {ErrorKind::kForeign,
            "the host's processes are outside this PID namespace, so neither pods nor node can be "
            "counted: run with hostPID: true"});
}

/// A count holds for as long as a snapshot is not stale.
void Scanner::record_trends(Snapshot& snapshot) {
  for (auto& pod : snapshot.pods) {
    // A pod of the last snapshot may have gone from a list that became no snapshot.
    auto* const trend = histories_.trend_of(pod);
    if (trend == nullptr) continue;
    const auto sockets = pod.knows(TcpState::kCloseWait)
                             ? std::optional(pod.sums.states.of(TcpState::kCloseWait))
                             : std::nullopt;
    trend->record(snapshot.taken_at_steady, sockets, 3 * snapshot.interval);
    pod.trend = *trend;
  }
}

std::vector<PodSnapshot> Scanner::last_pods_unseen(const Error& error) const {
  if (last_ == nullptr) return {};
  auto pods = last_->pods;
  for (auto& pod : pods) pod.hide(Visibility::kIncomplete, error.what);
  return pods;
}

void Scanner::mark_unseen(PodSnapshot& pod, ScanStage stage, const Error& error) {
  // A pod that starts or ends has no process for a moment: nothing is wrong then.
  if (error.kind != ErrorKind::kGone) count(stage);
  pod.hide(visibility_after(error), error.what);
}

void Scanner::complain(Snapshot& snapshot, ScanStage stage, const Error& error) {
  count(stage);
  snapshot.complaints.push_back(std::string(name_of(stage)) + ": " + error.what);
}

}  // namespace closewatch
