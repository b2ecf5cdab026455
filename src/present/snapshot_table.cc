// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/snapshot_table.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "closewatch/present/pod_summary.h"
#include "closewatch/present/text_table.h"

namespace closewatch {
namespace {

constexpr const char* kUnknown = "-";

using Pods = std::vector<const PodSnapshot*>;

std::string upper(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

/// A column: its head, and what it shows of a pod that was counted, and of the node.
struct TableColumn {
  std::string head;
  TextTable::Align align;
  std::function<std::string(const PodSnapshot&)> of_pod;
  std::function<std::string(const StateCounts&)> of_node;
};

TableColumn state_column(TcpState state) {
  return {upper(name_of(state)), TextTable::Align::kRight,
          [state](const PodSnapshot& pod) {
            return pod.knows(state) ? std::to_string(pod.sums.states.of(state)) : kUnknown;
          },
          [state](const StateCounts& node) { return std::to_string(node.of(state)); }};
}

std::vector<TableColumn> diagnosis_columns() {
  const auto left = TextTable::Align::kLeft;
  const auto right = TextTable::Align::kRight;
  const auto nothing = [](const StateCounts&) { return std::string(); };
  const auto leaks = [](const PodSnapshot& pod) {
    return pod.sums.states.of(TcpState::kCloseWait) > 0;
  };
  return {
      {"STUCK", right, [](const PodSnapshot& pod) { return std::to_string(pod.diagnosis.stuck()); },
       nothing},
      {"OLDEST", right,
       [leaks](const PodSnapshot& pod) {
         return leaks(pod) ? human(pod.diagnosis.oldest) : std::string();
       },
       nothing},
      {"OWES", left, [](const PodSnapshot& pod) { return owes_text(pod.diagnosis); }, nothing},
      {"DIRECTION", left, [](const PodSnapshot& pod) { return direction_text(pod.diagnosis); },
       nothing},
      {"TOP PEER", left, [](const PodSnapshot& pod) { return top_peer_text(pod.diagnosis); },
       nothing},
  };
}

/// Sockets that are held after their connections.
TableColumn held_column() {
  return {"HELD", TextTable::Align::kRight,
          [](const PodSnapshot& pod) {
            return pod.held == nullptr ? std::string(kUnknown) : std::to_string(pod.held->total());
          },
          [](const StateCounts&) { return std::string(); }};
}

TableColumn owner_column() {
  return {"OTHER OWNER", TextTable::Align::kLeft,
          [](const PodSnapshot& pod) { return owner_text(pod); },
          [](const StateCounts&) { return std::string(); }};
}

bool is_used(TcpState state, const Snapshot& snapshot, const Pods& pods, bool with_node) {
  return (with_node && snapshot.node && snapshot.node->of(state) > 0) ||
         std::any_of(pods.begin(), pods.end(), [&](const PodSnapshot* pod) {
           return pod->knows(state) && pod->sums.states.of(state) > 0;
         });
}

std::vector<TableColumn> columns_of(const Snapshot& snapshot, const Pods& pods, bool with_node,
                                    const PodFilter& filter) {
  if (filter.state && filter.state != TcpState::kCloseWait) return {state_column(*filter.state)};
  std::vector<TableColumn> columns = {state_column(TcpState::kCloseWait)};
  for (auto& column : diagnosis_columns()) columns.push_back(std::move(column));
  const bool any_held = std::any_of(pods.begin(), pods.end(),
                                    [](const PodSnapshot* pod) { return pod->held_sockets() > 0; });
  if (any_held) columns.push_back(held_column());
  const bool owned = std::any_of(pods.begin(), pods.end(),
                                 [](const PodSnapshot* pod) { return !pod->owners().empty(); });
  if (owned) columns.push_back(owner_column());
  if (filter.state) return columns;
  for (const auto state : kTcpStates) {
    if (state == TcpState::kCloseWait) continue;
    if (state == TcpState::kEstablished || is_used(state, snapshot, pods, with_node)) {
      columns.push_back(state_column(state));
    }
  }
  return columns;
}

std::vector<std::string> pod_cells(const PodSnapshot& pod,
                                   const std::vector<TableColumn>& columns) {
  std::vector<std::string> cells{pod.pod_namespace, pod.name};
  const bool visible = pod.visibility == Visibility::kVisible;
  for (const auto& column : columns) {
    const bool is_number = column.align == TextTable::Align::kRight;
    cells.push_back(visible ? column.of_pod(pod) : std::string(is_number ? kUnknown : ""));
  }
  return cells;
}

std::vector<std::string> node_cells(const Snapshot& snapshot,
                                    const std::vector<TableColumn>& columns) {
  std::vector<std::string> cells{kUnknown, "[node]"};
  for (const auto& column : columns) {
    cells.push_back(snapshot.node ? column.of_node(*snapshot.node) : kUnknown);
  }
  return cells;
}

}  // namespace

std::string snapshot_table(const Snapshot& snapshot, const PodFilter& filter) {
  const auto pods = worst_first(snapshot, filter);
  const bool with_node = filter.pod_namespace.empty() && filter.pod.empty();
  const auto columns = columns_of(snapshot, pods, with_node, filter);
  const bool notes = (with_node && !snapshot.node) ||
                     std::any_of(pods.begin(), pods.end(), [](const PodSnapshot* pod) {
                       return pod->visibility != Visibility::kVisible;
                     });
  TextTable table;
  table.add_column("NAMESPACE", TextTable::Align::kLeft);
  table.add_column("POD", TextTable::Align::kLeft);
  for (const auto& column : columns) table.add_column(column.head, column.align);
  if (notes) table.add_column("NOT VISIBLE", TextTable::Align::kLeft);
  const auto add = [&](std::vector<std::string> cells, std::string_view note) {
    if (notes) cells.emplace_back(note);
    table.add_row(std::move(cells));
  };
  for (const auto* const pod : pods) add(pod_cells(*pod, columns), reason_of(pod->visibility));
  if (with_node) add(node_cells(snapshot, columns), snapshot.node ? "" : "not visible");
  return table.text();
}

std::string listing_table(const SocketListing& listing) {
  const bool owned = listing.has_owners();
  TextTable table;
  for (const auto* const head : {"STATE", "LOCAL", "REMOTE", "DIRECTION", "OWES"}) {
    table.add_column(head, TextTable::Align::kLeft);
  }
  for (const auto* const head : {"AGE", "UNREAD"}) table.add_column(head, TextTable::Align::kRight);
  for (const auto* const head : {"CONTAINER", "PROCESS"}) {
    table.add_column(head, TextTable::Align::kLeft);
  }
  if (owned) table.add_column("OTHER OWNER", TextTable::Align::kLeft);
  for (const auto& listed : listing.sockets) {
    const auto& [socket, container, process, owner, is_held] = listed;
    std::vector<std::string> cells{
        std::string(state_name_of(listed)),
        text_of(socket.local),
        text_of(socket.remote),
        std::string(name_of(socket.direction)),
        std::string(name_of(socket.owes)),
        human(std::chrono::floor<std::chrono::milliseconds>(socket.age)),
        std::to_string(socket.unread_bytes()),
        container,
        process ? fmt::format("{}/{}", process->pid, process->comm) : kUnknown};
    if (owned) cells.push_back(owner ? text_of(*owner) : "");
    table.add_row(std::move(cells));
  }
  return table.text();
}

}  // namespace closewatch
