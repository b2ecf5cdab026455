#include "closewatch/scan/scanner.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

namespace closewatch {
namespace {

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
PodSnapshot identity(const Pod& pod) {
  PodSnapshot snapshot;
  snapshot.pod_namespace = pod.pod_namespace;
  snapshot.name = pod.name;
  snapshot.uid = pod.uid;
  snapshot.workload_kind = pod.workload_kind;
  snapshot.workload = pod.workload;
  snapshot.named = pod.named;
  return snapshot;
}

bool has_named_namespace(const Pod& pod) {
  return pod.located && std::holds_alternative<NamespaceFile>(pod.located->where);
}

void sort_by_name(std::vector<PodSnapshot>& pods) {
  std::sort(pods.begin(), pods.end(), [](const PodSnapshot& a, const PodSnapshot& b) {
    return std::tie(a.pod_namespace, a.name, a.uid) < std::tie(b.pod_namespace, b.name, b.uid);
  });
}

}  // namespace

Scanner::Scanner(std::unique_ptr<PodSource> pods, NamespaceOpener opener,
                 std::unique_ptr<SocketSource> sockets, Pacer pacer, const Clock& clock)
    : pods_(std::move(pods)),
      opener_(std::move(opener)),
      sockets_(std::move(sockets)),
      pacer_(pacer),
      clock_(clock) {}

std::shared_ptr<const Snapshot> Scanner::scan(const std::function<bool()>& go_on) {
  auto snapshot = std::make_shared<Snapshot>();
  const auto started = clock_.steady_now();
  const auto cpu_before = clock_.thread_cpu();

  if (const auto list = pods_->list()) {
    for (const auto& error : list->errors) complain(*snapshot, ScanStage::kDiscovery, error);
    for (const auto& error : list->name_errors) complain(*snapshot, ScanStage::kMetadata, error);
    if (!go_on()) return nullptr;
    const auto node = read_node(*list, *snapshot);
    snapshot->node = node.states;
    claims_.clear();
    outside_ = false;
    snapshot->pods.reserve(list->pods.size());
    for (const auto& pod : list->pods) {
      if (!go_on()) return nullptr;
      snapshot->pods.push_back(read_pod(pod, node));
    }
    distrust_shared_namespaces(*snapshot);
    if (outside_) hide_node(*snapshot);
    sort_by_name(snapshot->pods);
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
  snapshot->interval = pacer_.after(snapshot->cpu);
  snapshot->errors = errors_;
  last_ = snapshot;
  return snapshot;
}

Scanner::Node Scanner::read_node(const PodList& list, Snapshot& snapshot) {
  Node node;
  const auto opened =
      list.node.and_then([&](const NamespaceLocator& locator) { return opener_.open(locator); });
  if (!opened) {
    complain(snapshot, ScanStage::kNamespace, opened.error());
    node.error = opened.error();
    return node;
  }
  node.id = opened->id;
  if (const auto read = sockets_->read(opened->fd.get(), SocketQuery{}, tally_); !read) {
    complain(snapshot, stage_of_reading(read.error()), read.error());
  } else {
    node.states = tally_.sums().states;
  }
  return node;
}

PodSnapshot Scanner::read_pod(const Pod& pod, const Node& node) {
  auto snapshot = identity(pod);
  // Who does not know the host's namespace cannot tell a pod's own from it, and would blame the
  // pod.
  if (node.error && !has_named_namespace(pod)) {
    mark_unseen(snapshot, ScanStage::kNamespace, *node.error);
    return snapshot;
  }
  const auto namespaces = opener_.open(pod, node.id);
  if (!namespaces) {
    outside_ |= namespaces.error().kind == ErrorKind::kForeign;
    mark_unseen(snapshot, ScanStage::kNamespace, namespaces.error());
    return snapshot;
  }
  snapshot.host_network = namespaces->host_network;
  for (const auto& space : namespaces->own) claims_[space.id].push_back(snapshot.uid);
  if (namespaces->sandboxed) {
    snapshot.visibility = Visibility::kSandboxed;
    snapshot.detail = "a sandboxed runtime keeps its sockets out of the host's kernel";
  } else if (namespaces->host_network) {
    snapshot.visibility = Visibility::kHostNetwork;
    snapshot.detail = "it shares the host's network namespace";
  } else if (const auto read = read_sockets(*namespaces, snapshot.sums); !read) {
    mark_unseen(snapshot, stage_of_reading(read.error()), read.error());
  } else {
    snapshot.visibility = Visibility::kVisible;
  }
  return snapshot;
}

Result<void> Scanner::read_sockets(const PodNamespaces& namespaces, SocketSums& sums) {
  for (const auto& space : namespaces.own) {
    const auto read = sockets_->read(space.fd.get(), SocketQuery{}, tally_);
    if (!read) return tl::unexpected(read.error());
    sums.add(tally_.sums());
  }
  return {};
}

/// Where pods of a node that is itself a container (kind, k3d) are on that node's network, or where
/// one pod's process has entered another's namespace, nobody can tell whose the sockets are.
void Scanner::distrust_shared_namespaces(Snapshot& snapshot) const {
  for (const auto& [id, uids] : claims_) {
    if (uids.size() < 2) continue;
    for (auto& pod : snapshot.pods) {
      if (std::find(uids.begin(), uids.end(), pod.uid) == uids.end()) continue;
      pod.host_network = true;
      pod.visibility = Visibility::kHostNetwork;
      pod.detail = "it shares a network namespace with other pods";
      pod.sums = {};
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

std::vector<PodSnapshot> Scanner::last_pods_unseen(const Error& error) const {
  if (last_ == nullptr) return {};
  auto pods = last_->pods;
  for (auto& pod : pods) {
    pod.sums = {};
    pod.visibility = Visibility::kIncomplete;
    pod.detail = error.what;
  }
  return pods;
}

void Scanner::mark_unseen(PodSnapshot& pod, ScanStage stage, const Error& error) {
  count(stage);
  pod.sums = {};
  pod.visibility = visibility_after(error);
  pod.detail = error.what;
}

void Scanner::complain(Snapshot& snapshot, ScanStage stage, const Error& error) {
  count(stage);
  snapshot.complaints.push_back(std::string(name_of(stage)) + ": " + error.what);
}

}  // namespace closewatch
