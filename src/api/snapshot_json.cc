// SPDX-License-Identifier: Apache-2.0
#include "closewatch/api/snapshot_json.h"

#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "closewatch/base/seconds.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/present/pod_summary.h"
#include "closewatch/present/shown.h"

namespace closewatch {
namespace {

namespace json = boost::json;

json::object scan_json(const Snapshot& snapshot) {
  const auto taken_at = std::chrono::floor<std::chrono::milliseconds>(snapshot.taken_at);
  return {{"taken_at", fmt::format("{:%Y-%m-%dT%H:%M:}{:06.3f}Z",
                                   fmt::gmtime(std::chrono::system_clock::to_time_t(taken_at)),
                                   seconds(taken_at.time_since_epoch() % std::chrono::minutes(1)))},
          {"duration_seconds", seconds(snapshot.duration)},
          {"interval_seconds", seconds(snapshot.interval)},
          {"stuck_after_seconds", seconds(snapshot.settings.stuck_after)}};
}

json::object node_json(const Shown& shown, const PodFilter& filter) {
  const auto* const counts = shown.node();
  json::object node{{"visible", counts != nullptr}};
  if (counts == nullptr) return node;
  json::object states;
  for (const auto state : filter.states()) states[name_of(state)] = counts->of(state);
  node["states"] = std::move(states);
  return node;
}

json::object states_json(const PodSnapshot& pod, const PodFilter& filter) {
  json::object states;
  for (const auto state : filter.states()) {
    if (pod.knows(state)) states[name_of(state)] = pod.sums.states.of(state);
  }
  return states;
}

json::object queue_json(const ListenBacklog& backlog) {
  return {{"backlog", backlog.sockets},
          {"limit", backlog.limit ? json::value(*backlog.limit) : json::value(nullptr)}};
}

void add_listeners(json::object& pod, const std::vector<ListenBacklog>& backlogs) {
  const auto queues = shown_queues(backlogs);
  json::array listeners;
  for (const auto& backlog : queues.ports) {
    auto listener = queue_json(backlog);
    listener["port"] = backlog.port;
    listeners.push_back(std::move(listener));
  }
  pod["listeners"] = std::move(listeners);
  pod["other_listeners"] = queues.other ? json::value(queue_json(*queues.other)) : nullptr;
}

json::object container_json(const ContainerDiagnosis& container) {
  json::object object{{"container", container.container}, {"stuck", container.stuck}};
  for (const auto direction : kDirections) {
    json::object owed;
    for (const auto owes : kOwedCalls) {
      owed[name_of(owes)] = container.of(direction, owes);
    }
    object[name_of(direction)] = std::move(owed);
  }
  return object;
}

json::object owner_json(const PodContainer& owner) {
  return {{"namespace", owner.pod_namespace}, {"pod", owner.pod}, {"container", owner.container}};
}

json::array owners_json(const std::vector<OwnerSums>& owners) {
  json::array array;
  for (const auto& [owner, sockets, stuck] : owners) {
    auto object = owner_json(owner);
    object["sockets"] = sockets;
    object["stuck"] = stuck;
    array.push_back(std::move(object));
  }
  return array;
}

json::array peers_json(const std::vector<PeerSums>& sums) {
  json::array peers;
  for (const auto& peer : sums) {
    peers.push_back({{"direction", name_of(peer.direction)},
                     {"peer", peer.peer},
                     {"sockets", peer.sockets},
                     {"stuck", peer.stuck}});
  }
  return peers;
}

json::object close_wait_json(const PodSnapshot& pod) {
  json::array containers;
  for (const auto& container : pod.diagnosis.containers) {
    containers.push_back(container_json(container));
  }
  return {{"sockets", pod.sums.states.of(TcpState::kCloseWait)},
          {"stuck", pod.diagnosis.stuck()},
          {"oldest_seconds", seconds(pod.diagnosis.oldest)},
          {"unread_bytes", pod.diagnosis.unread_bytes},
          {"entered_total", pod.diagnosis.entered},
          {"left_total", pod.diagnosis.left},
          {"containers", std::move(containers)},
          {"peers", peers_json(pod.diagnosis.peers)},
          {"owners", owners_json(pod.diagnosis.owners)}};
}

json::value held_json(const PodSnapshot& pod) {
  if (pod.held == nullptr) return nullptr;
  json::array containers;
  for (const auto& [container, sockets] : pod.held->containers) {
    containers.push_back({{"container", container}, {"sockets", sockets}});
  }
  return json::object{{"sockets", pod.held->total()},
                      {"oldest_seconds", seconds(pod.held_for())},
                      {"read_seconds_ago", seconds(pod.held_ago)},
                      {"entered_total", pod.held->entered},
                      {"left_closed_total", pod.held->left_closed},
                      {"left_held_total", pod.held->left_held},
                      {"containers", std::move(containers)},
                      {"peers", peers_json(pod.held->peers)},
                      {"owners", owners_json(pod.held->owners)}};
}

json::array descriptors_json(const std::vector<ContainerDescriptors>& descriptors) {
  json::array array;
  for (const auto& container : descriptors) {
    array.push_back(
        {{"container", container.container},
         {"open", container.open},
         {"limit", container.limit ? json::value(*container.limit) : json::value(nullptr)},
         {"time_left_seconds",
          container.time_left ? json::value(container.time_left->count()) : json::value(nullptr)},
         {"process", {{"pid", container.pid}, {"comm", container.comm}}}});
  }
  return array;
}

json::value events_json(const std::optional<TcpEventCounts>& counts) {
  if (!counts) return nullptr;
  json::object events;
  for (const auto event : kTcpEvents) {
    if (counts->of(event)) events[describe(event).name] = *counts->of(event);
  }
  return events;
}

json::object pod_json(const PodSnapshot& pod, const PodFilter& filter, const Shown& shown) {
  const auto visibility = shown.of(pod);
  const bool visible = visibility == Visibility::kVisible;
  json::object object{{"namespace", pod.pod_namespace},
                      {"pod", pod.name},
                      {"uid", pod.uid},
                      {"workload_kind", pod.workload_kind},
                      {"workload", pod.workload},
                      {"host_network", pod.host_network},
                      {"visible", visible}};
  if (visible) {
    object["states"] = states_json(pod, filter);
    add_listeners(object, pod.sums.listeners);
    object["close_wait"] = close_wait_json(pod);
    object["closed_held"] = held_json(pod);
    object["descriptors"] = descriptors_json(pod.descriptors);
    object["tcp_events"] = events_json(pod.tcp_events);
  } else {
    object["reason"] = reason_of(visibility);
    object["detail"] = shown.detail_of(pod);
  }
  return object;
}

json::object socket_json(const ListedSocket& listed) {
  const auto& socket = listed.socket;
  json::object object{
      {"state", state_name_of(listed)},
      {"local", text_of(socket.local)},
      {"remote", text_of(socket.remote)},
      {"direction", name_of(socket.direction)},
      {"owes", name_of(socket.owes)},
      {"age_seconds", seconds(std::chrono::floor<std::chrono::milliseconds>(socket.age))},
      {"unread_bytes", socket.unread_bytes()},
      {"container", listed.container},
      {"owner", nullptr},
      {"inode", socket.inode},
      {"process", nullptr}};
  if (listed.owner) object["owner"] = owner_json(*listed.owner);
  if (listed.process) {
    object["process"] = {{"pid", listed.process->pid}, {"comm", listed.process->comm}};
  }
  return object;
}

}  // namespace

std::string snapshot_json(const Snapshot& snapshot, const PodFilter& filter,
                          std::chrono::steady_clock::time_point now) {
  const Shown shown(snapshot, now);
  json::array pods;
  for (const auto& pod : snapshot.pods) {
    if (filter.matches(pod)) pods.push_back(pod_json(pod, filter, shown));
  }
  const json::object whole{
      {"scan", scan_json(snapshot)}, {"node", node_json(shown, filter)}, {"pods", std::move(pods)}};
  return json::serialize(whole) + "\n";
}

std::string listing_json(const Snapshot& snapshot, const SocketListing& listing) {
  json::object whole{{"scan", scan_json(snapshot)},
                     {"namespace", listing.pod_namespace},
                     {"pod", listing.pod},
                     {"visible", listing.visibility == Visibility::kVisible}};
  if (listing.visibility == Visibility::kVisible) {
    json::array sockets;
    for (const auto& listed : listing.sockets) sockets.push_back(socket_json(listed));
    whole["total"] = listing.total;
    whole["cut"] = listing.cut();
    whole["processes_missing"] = listing.processes_missing.empty()
                                     ? json::value(nullptr)
                                     : json::value(listing.processes_missing);
    whole["sockets"] = std::move(sockets);
  } else {
    whole["reason"] = reason_of(listing.visibility);
    whole["detail"] = listing.detail;
  }
  return json::serialize(whole) + "\n";
}

}  // namespace closewatch
