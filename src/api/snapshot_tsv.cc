// SPDX-License-Identifier: Apache-2.0
#include "api/snapshot_tsv.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "closewatch/base/seconds.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/present/shown.h"
#include "closewatch/present/tsv_table.h"

namespace closewatch {
namespace {

std::string seconds_text(std::chrono::nanoseconds duration) {
  return fmt::format("{:.3f}", seconds(duration));
}

std::string yes_no(bool value) { return value ? "true" : "false"; }

/// A column and what it holds of one thing.
template <typename Thing>
using Columns = std::vector<std::pair<std::string, std::string (*)(const Thing&)>>;

template <typename Thing>
std::vector<std::string> names(const Columns<Thing>& columns) {
  std::vector<std::string> found;
  found.reserve(columns.size());
  for (const auto& column : columns) found.push_back(column.first);
  return found;
}

std::string containers(const PodSnapshot& pod) {
  TsvWords words;
  for (const auto& container : pod.diagnosis.containers) {
    std::uint64_t sockets = 0;
    for (const auto& row : container.sockets) {
      sockets = std::accumulate(row.begin(), row.end(), sockets);
    }
    words.add({container.container, std::to_string(sockets), std::to_string(container.stuck)});
  }
  return words.cell();
}

std::string peers(const PodSnapshot& pod) {
  TsvWords words;
  for (const auto& peer : pod.diagnosis.peers) {
    words.add({std::string(name_of(peer.direction)), peer.peer, std::to_string(peer.sockets),
               std::to_string(peer.stuck)});
  }
  return words.cell();
}

std::string owners(const PodSnapshot& pod) {
  TsvWords words;
  for (const auto& [owner, sockets, stuck] : pod.diagnosis.owners) {
    words.add({owner.pod_namespace, owner.pod, owner.container, std::to_string(sockets),
               std::to_string(stuck)});
  }
  return words.cell();
}

std::string descriptors(const PodSnapshot& pod) {
  TsvWords words;
  for (const auto& container : pod.descriptors) {
    words.add({container.container, std::to_string(container.open),
               container.limit ? std::to_string(*container.limit) : "",
               container.time_left ? std::to_string(container.time_left->count()) : "",
               std::to_string(container.pid), container.comm});
  }
  return words.cell();
}

std::string held_containers(const PodSnapshot& pod) {
  TsvWords words;
  if (pod.held == nullptr) return "";
  for (const auto& [container, sockets] : pod.held->containers) {
    words.add({container, std::to_string(sockets)});
  }
  return words.cell();
}

std::string tcp_events(const PodSnapshot& pod) {
  TsvWords words;
  if (!pod.tcp_events) return "";
  for (const auto event : kTcpEvents) {
    const auto count = pod.tcp_events->of(event);
    if (count) words.add({std::string(describe(event).name), std::to_string(*count)});
  }
  return words.cell();
}

/// Of a pod that was counted.
const Columns<PodSnapshot>& counts() {
  static const Columns<PodSnapshot> columns = {
      {"stuck", [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.stuck()); }},
      {"oldest_seconds", [](const PodSnapshot& pod) { return seconds_text(pod.diagnosis.oldest); }},
      {"owes_accept",
       [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.of(OwedCall::kAccept)); }},
      {"owes_read",
       [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.of(OwedCall::kRead)); }},
      {"owes_close",
       [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.of(OwedCall::kClose)); }},
      {"inbound",
       [](const PodSnapshot& pod) {
         return std::to_string(pod.diagnosis.of(Direction::kInbound));
       }},
      {"outbound",
       [](const PodSnapshot& pod) {
         return std::to_string(pod.diagnosis.of(Direction::kOutbound));
       }},
      {"unread_bytes",
       [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.unread_bytes); }},
      {"entered_total",
       [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.entered); }},
      {"left_total", [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.left); }},
      {"containers", containers},
      {"peers", peers},
      {"owners", owners},
      {"closed_held",
       [](const PodSnapshot& pod) {
         return pod.held == nullptr ? "" : std::to_string(pod.held->total());
       }},
      {"closed_held_oldest_seconds",
       [](const PodSnapshot& pod) {
         return pod.held == nullptr ? "" : seconds_text(pod.held_for());
       }},
      {"closed_held_entered_total",
       [](const PodSnapshot& pod) {
         return pod.held == nullptr ? "" : std::to_string(pod.held->entered);
       }},
      {"closed_held_containers", held_containers},
      {"descriptors", descriptors},
      {"tcp_events", tcp_events}};
  return columns;
}

std::vector<std::string> pod_row(const PodSnapshot& pod, const Shown& shown) {
  const auto visibility = shown.of(pod);
  const bool visible = visibility == Visibility::kVisible;
  std::vector<std::string> cells{pod.pod_namespace, pod.name,
                                 pod.uid,           pod.workload_kind,
                                 pod.workload,      yes_no(pod.host_network),
                                 yes_no(visible),   std::string(reason_of(visibility))};
  for (const auto state : kTcpStates) {
    const bool known = visible && pod.knows(state);
    cells.push_back(known ? std::to_string(pod.sums.states.of(state)) : "");
  }
  for (const auto& [name, count] : counts()) cells.push_back(visible ? count(pod) : "");
  return cells;
}

/// What agent_tsv() is made from.
struct Agent {
  const Snapshot& snapshot;
  std::chrono::steady_clock::time_point now;
  std::chrono::system_clock::time_point wall_now;
  const AgentFacts& facts;
  Shown shown{snapshot, now};
};

std::string visible_pods(const Agent& agent) {
  const auto& pods = agent.snapshot.pods;
  return std::to_string(std::count_if(
      pods.begin(), pods.end(), [&](const PodSnapshot& pod) { return agent.shown.counts(pod); }));
}

/// "denied/3 no_process/1": how many pods were not counted, for each reason.
std::string reasons(const Agent& agent) {
  std::map<std::string_view, std::size_t> by_reason;
  for (const auto& pod : agent.snapshot.pods) {
    const auto visibility = agent.shown.of(pod);
    if (visibility != Visibility::kVisible) ++by_reason[reason_of(visibility)];
  }
  TsvWords words;
  for (const auto& [reason, count] : by_reason) {
    words.add({std::string(reason), std::to_string(count)});
  }
  return words.cell();
}

const Columns<Agent>& agent_columns() {
  static const Columns<Agent> columns = {
      {"version", [](const Agent& agent) { return agent.facts.version; }},
      {"uptime_seconds",
       [](const Agent& agent) { return seconds_text(agent.wall_now - agent.facts.started_at); }},
      {"cpu_seconds",
       [](const Agent& agent) { return fmt::format("{:.3f}", agent.facts.process.cpu_seconds); }},
      {"resident_bytes",
       [](const Agent& agent) { return std::to_string(agent.facts.process.resident_bytes); }},
      {"scan_age_seconds",
       [](const Agent& agent) { return seconds_text(agent.now - agent.snapshot.taken_at_steady); }},
      {"scan_stale", [](const Agent& agent) { return yes_no(agent.shown.stale()); }},
      {"scan_duration_seconds",
       [](const Agent& agent) { return seconds_text(agent.snapshot.duration); }},
      {"scan_cpu_seconds", [](const Agent& agent) { return seconds_text(agent.snapshot.cpu); }},
      {"scan_interval_seconds",
       [](const Agent& agent) { return seconds_text(agent.snapshot.interval); }},
      {"scan_errors_total",
       [](const Agent& agent) {
         const auto& errors = agent.snapshot.errors;
         return std::to_string(std::accumulate(errors.begin(), errors.end(), std::uint64_t{0}));
       }},
      {"stuck_after_seconds",
       [](const Agent& agent) { return seconds_text(agent.snapshot.settings.stuck_after); }},
      {"pods", [](const Agent& agent) { return std::to_string(agent.snapshot.pods.size()); }},
      {"pods_visible", visible_pods},
      {"not_visible", reasons},
      {"node_close_wait", [](const Agent& agent) {
         const auto* const node = agent.shown.node();
         return node != nullptr ? std::to_string(node->of(TcpState::kCloseWait)) : "";
       }}};
  return columns;
}

}  // namespace

std::string pods_tsv(const Snapshot& snapshot, std::chrono::steady_clock::time_point now) {
  std::vector<std::string> columns{"namespace", "pod",          "uid",     "workload_kind",
                                   "workload",  "host_network", "visible", "reason"};
  for (const auto state : kTcpStates) columns.emplace_back(name_of(state));
  for (auto& name : names(counts())) columns.push_back(std::move(name));
  TsvTable table(columns);
  const Shown shown(snapshot, now);
  for (const auto& pod : snapshot.pods) table.add_row(pod_row(pod, shown));
  return table.text();
}

std::string sockets_tsv(const SocketListing& listing) {
  TsvTable table({"state", "local", "remote", "direction", "owes", "age_seconds", "unread_bytes",
                  "container", "inode", "pid", "process", "owner_namespace", "owner_pod",
                  "owner_container"});
  if (listing.visibility != Visibility::kVisible) {
    table.add_remark("hidden", {std::string(reason_of(listing.visibility)), listing.detail});
    return table.text();
  }
  for (const auto& listed : listing.sockets) {
    const auto& [socket, container, process, owner, held] = listed;
    table.add_row({std::string(state_name_of(listed)), text_of(socket.local),
                   text_of(socket.remote), std::string(name_of(socket.direction)),
                   std::string(name_of(socket.owes)), seconds_text(socket.age),
                   std::to_string(socket.unread_bytes()), container, std::to_string(socket.inode),
                   process ? std::to_string(process->pid) : "", process ? process->comm : "",
                   owner ? owner->pod_namespace : "", owner ? owner->pod : "",
                   owner ? owner->container : ""});
  }
  if (!listing.processes_missing.empty()) {
    table.add_remark("processes_missing", {listing.processes_missing});
  }
  table.add_remark("total", {std::to_string(listing.total)});
  return table.text();
}

std::string agent_tsv(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                      std::chrono::system_clock::time_point wall_now, const AgentFacts& agent) {
  const Agent whole{snapshot, now, wall_now, agent};
  const auto& columns = agent_columns();
  TsvTable table(names(columns));
  std::vector<std::string> cells;
  for (const auto& column : columns) cells.push_back(column.second(whole));
  table.add_row(cells);
  return table.text();
}

}  // namespace closewatch
