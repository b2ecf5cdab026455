#include "closewatch/export/snapshot_json.h"

#include <boost/json.hpp>

namespace closewatch {
namespace {

namespace json = boost::json;

json::object states_json(const StateCounts& counts, const PodFilter& filter) {
  json::object states;
  for (const auto state : filter.states()) states[name_of(state)] = counts.of(state);
  return states;
}

json::object node_json(const Snapshot& snapshot, const PodFilter& filter) {
  json::object node{{"visible", snapshot.node.has_value()}};
  if (snapshot.node) node["states"] = states_json(*snapshot.node, filter);
  return node;
}

json::array listeners_json(const std::vector<ListenBacklog>& backlogs) {
  json::array listeners;
  for (const auto& backlog : backlogs) {
    listeners.push_back(
        {{"port", backlog.port}, {"backlog", backlog.sockets}, {"limit", backlog.limit}});
  }
  return listeners;
}

json::object pod_json(const PodSnapshot& pod, const PodFilter& filter) {
  const bool visible = pod.visibility == Visibility::kVisible;
  json::object object{{"namespace", pod.pod_namespace},
                      {"pod", pod.name},
                      {"uid", pod.uid},
                      {"host_network", pod.host_network},
                      {"visible", visible}};
  if (visible) {
    object["states"] = states_json(pod.sums.states, filter);
    object["listeners"] = listeners_json(pod.sums.listeners);
  } else {
    object["reason"] = reason_of(pod.visibility);
    object["detail"] = pod.detail;
  }
  return object;
}

}  // namespace

std::string snapshot_json(const Snapshot& snapshot, const PodFilter& filter) {
  json::array pods;
  for (const auto& pod : snapshot.pods) {
    if (filter.matches(pod)) pods.push_back(pod_json(pod, filter));
  }
  const json::object whole{{"node", node_json(snapshot, filter)}, {"pods", std::move(pods)}};
  return json::serialize(whole) + "\n";
}

}  // namespace closewatch
