// SPDX-License-Identifier: Apache-2.0
#include "closewatch/crossing/snapshot_codec.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "crossing/packing.h"

namespace closewatch::crossing {

template <>
struct EnumSize<AddressFamily> : std::integral_constant<std::size_t, 2> {};
template <>
struct EnumSize<Direction> : std::integral_constant<std::size_t, kDirections.size()> {};
template <>
struct EnumSize<OwedCall> : std::integral_constant<std::size_t, kOwedCalls.size()> {};
template <>
struct EnumSize<Engine> : std::integral_constant<std::size_t, kEngines.size()> {};
template <>
struct EnumSize<Visibility>
    : std::integral_constant<std::size_t, static_cast<std::size_t>(Visibility::kStale) + 1> {};

namespace {

/// Whether `T` is a `Type`, which is const where it is written.
template <typename T, typename Type>
concept Is = std::is_same_v<std::remove_const_t<T>, Type>;

}  // namespace

template <typename Archive, Is<Endpoint> T>
void fields(Archive& archive, T& endpoint) {
  archive(endpoint.address.family, endpoint.address.bytes, endpoint.port);
}

template <typename Archive, Is<Binding> T>
void fields(Archive& archive, T& binding) {
  archive(binding.port, binding.address, binding.transparent, binding.late_port);
}

template <typename Archive, Is<CloseWaitSocket> T>
void fields(Archive& archive, T& socket) {
  archive(socket.cookie, socket.cgroup_id, socket.age, socket.local, socket.remote, socket.inode,
          socket.receive_queue, socket.binding, socket.container, socket.owner, socket.direction,
          socket.owes);
}

template <typename Archive, Is<PodContainer> T>
void fields(Archive& archive, T& container) {
  archive(container.pod_namespace, container.pod, container.container);
}

template <typename Archive, Is<OwnerSums> T>
void fields(Archive& archive, T& sums) {
  archive(sums.owner, sums.sockets, sums.stuck);
}

template <typename Archive, Is<PeerSums> T>
void fields(Archive& archive, T& sums) {
  archive(sums.direction, sums.peer, sums.sockets, sums.stuck);
}

template <typename Archive, Is<ListenBacklog> T>
void fields(Archive& archive, T& backlog) {
  archive(backlog.port, backlog.sockets, backlog.limit);
}

template <typename Archive, Is<ContainerDiagnosis> T>
void fields(Archive& archive, T& container) {
  archive(container.container, container.sockets, container.stuck);
}

template <typename Archive, Is<Diagnosis> T>
void fields(Archive& archive, T& diagnosis) {
  archive(diagnosis.containers, diagnosis.oldest, diagnosis.unread_bytes, diagnosis.entered,
          diagnosis.left, diagnosis.peers, diagnosis.owners, diagnosis.sockets);
}

template <typename Archive, Is<ContainerHeld> T>
void fields(Archive& archive, T& container) {
  archive(container.container, container.sockets);
}

template <typename Archive, Is<ListedHeld> T>
void fields(Archive& archive, T& listed) {
  archive(listed.socket, listed.pid, listed.comm);
}

template <typename Archive, Is<HeldDiagnosis> T>
void fields(Archive& archive, T& held) {
  archive(held.read_at, held.containers, held.entered, held.oldest, held.left_closed,
          held.left_held, held.peers, held.owners, held.sockets);
}

template <typename Archive, Is<ContainerDescriptors> T>
void fields(Archive& archive, T& container) {
  archive(container.container, container.open, container.limit, container.pid, container.comm,
          container.time_left);
}

template <typename Archive, Is<Container> T>
void fields(Archive& archive, T& container) {
  archive(container.id, container.name);
}

template <typename Archive, Is<EngineChecks> T>
void fields(Archive& archive, T& checks) {
  archive(checks.agree, checks.disagree, checks.undecided);
}

template <typename Archive, Is<Features> T>
void fields(Archive& archive, T& features) {
  archive(features.cgroup_id, features.tcp_info, features.netns_cookie, features.metadata_api,
          features.socket_inode, features.held_sockets);
}

template <typename Archive, Is<DiagnosisSettings> T>
void fields(Archive& archive, T& settings) {
  archive(settings.stuck_after, settings.peers, settings.sockets, settings.held_sockets);
}

void fields(Packer& packer, const StateCounts& counts) {
  for (const auto state : kTcpStates) packer(counts.of(state));
}
void fields(Unpacker& unpacker, StateCounts& counts) {
  for (const auto state : kTcpStates) {
    std::uint64_t sockets = 0;
    unpacker(sockets);
    counts.add(state, sockets);
  }
}

void fields(Packer& packer, const TcpEventCounts& counts) {
  for (const auto event : kTcpEvents) packer(counts.of(event));
}
void fields(Unpacker& unpacker, TcpEventCounts& counts) {
  for (const auto event : kTcpEvents) {
    std::optional<std::uint64_t> count;
    unpacker(count);
    if (count) counts.set(event, *count);
  }
}

void fields(Packer& packer, const Trend& trend) { packer(trend.points()); }
void fields(Unpacker& unpacker, Trend& trend) {
  Trend::Points points;
  unpacker(points);
  trend = Trend::of(points);
}

void fields(Packer& packer, const EngineStatus& status) {
  packer(status.engine, std::string(status.reason));
}
void fields(Unpacker& unpacker, EngineStatus& status) {
  std::string reason;
  unpacker(status.engine, reason);
  // Reasons are words of the program, and none of a snapshot's own.
  const auto* const known = std::find(kEngineReasons.begin(), kEngineReasons.end(), reason);
  unpacker.require(known != kEngineReasons.end());
  if (known != kEngineReasons.end()) status.reason = *known;
}

template <typename Archive, Is<SocketSums> T>
void fields(Archive& archive, T& sums) {
  archive(sums.states, sums.listeners);
}

namespace {

/// Of those that are listed the owner is looked up by its place.
bool has_owner(const CloseWaitSocket& socket, const std::vector<OwnerSums>& owners) {
  return socket.container != kForeignContainer || socket.owner < owners.size();
}

bool is_consistent(const PodSnapshot& pod) {
  const auto& diagnosis = pod.diagnosis;
  const auto& held = pod.held;
  return std::all_of(diagnosis.sockets.begin(), diagnosis.sockets.end(),
                     [&](const auto& socket) { return has_owner(socket, diagnosis.owners); }) &&
         (held == nullptr ||
          std::all_of(held->sockets.begin(), held->sockets.end(),
                      [&](const auto& listed) { return has_owner(listed.socket, held->owners); }));
}

}  // namespace

template <typename Archive, typename T>
void pod_fields(Archive& archive, T& pod) {
  archive(pod.pod_namespace, pod.name, pod.uid, pod.named, pod.workload_kind, pod.workload,
          pod.containers, pod.host_network, pod.visibility, pod.detail, pod.sums, pod.diagnosis,
          pod.trend, pod.descriptors, pod.held_ago, pod.tcp_events);
}

void fields(Packer& packer, const PodSnapshot& pod) {
  pod_fields(packer, pod);
  packer(pod.held != nullptr);
  if (pod.held != nullptr) packer(*pod.held);
}
void fields(Unpacker& unpacker, PodSnapshot& pod) {
  pod_fields(unpacker, pod);
  std::optional<HeldDiagnosis> held;
  unpacker(held);
  if (held) pod.held = std::make_shared<const HeldDiagnosis>(std::move(*held));
  unpacker.require(is_consistent(pod));
}

template <typename Archive, Is<Snapshot> T>
void fields(Archive& archive, T& snapshot) {
  archive(snapshot.taken_at, snapshot.taken_at_steady, snapshot.duration, snapshot.cpu,
          snapshot.cpu_total, snapshot.interval, snapshot.over_budget, snapshot.node, snapshot.pods,
          snapshot.errors, snapshot.hung_reads, snapshot.complaints, snapshot.features,
          snapshot.engines, snapshot.checks, snapshot.settings);
}

std::string encode_snapshot(const Snapshot& snapshot) {
  Packer packer;
  packer(snapshot);
  return std::move(packer).bytes();
}

Result<std::shared_ptr<const Snapshot>> decode_snapshot(std::string_view bytes) {
  Unpacker unpacker(bytes);
  auto snapshot = std::make_shared<Snapshot>();
  unpacker(*snapshot);
  // Who looks for a pod takes it that they are sorted (find_namesakes()).
  const bool is_sorted = std::is_sorted(
      snapshot->pods.begin(), snapshot->pods.end(), [](const auto& a, const auto& b) {
        return std::tie(a.pod_namespace, a.name) < std::tie(b.pod_namespace, b.name);
      });
  if (unpacker.is_done() && is_sorted) return snapshot;
  return fail(ErrorKind::kMalformed, "bytes that are no snapshot");
}

}  // namespace closewatch::crossing
