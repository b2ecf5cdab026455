#include "closewatch/export/snapshot_table.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace closewatch {
namespace {

struct Row {
  std::string pod_namespace;
  std::string pod;
  std::optional<StateCounts> counts;
  std::string note;
};

std::vector<Row> rows_of(const Snapshot& snapshot, const PodFilter& filter) {
  std::vector<Row> rows;
  for (const auto& pod : snapshot.pods) {
    if (!filter.matches(pod)) continue;
    const bool visible = pod.visibility == Visibility::kVisible;
    rows.push_back({pod.pod_namespace, pod.name,
                    visible ? std::optional(pod.sums.states) : std::nullopt,
                    visible ? "" : std::string(reason_of(pod.visibility))});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    const auto leaks = [](const Row& row) {
      return row.counts ? row.counts->of(TcpState::kCloseWait) : 0;
    };
    return leaks(a) > leaks(b);
  });
  const bool asked_for_one = !filter.pod_namespace.empty() || !filter.pod.empty();
  if (!asked_for_one) {
    rows.push_back({"-", "[node]", snapshot.node, snapshot.node ? "" : "not visible"});
  }
  return rows;
}

bool is_shown(TcpState state, const std::vector<Row>& rows, const PodFilter& filter) {
  if (filter.state) return state == *filter.state;
  if (state == TcpState::kEstablished || state == TcpState::kCloseWait) return true;
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Row& row) { return row.counts && row.counts->of(state) > 0; });
}

std::string upper(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

using Cells = std::vector<std::string>;

Cells cells_of(const Row& row, const std::vector<TcpState>& states, bool notes) {
  Cells cells{row.pod_namespace, row.pod};
  for (const auto state : states) {
    cells.push_back(row.counts ? std::to_string(row.counts->of(state)) : "-");
  }
  if (notes) cells.push_back(row.note);
  return cells;
}

/// Text to the left, the numbers between to the right.
std::string aligned(const std::vector<Cells>& lines, std::size_t numbers) {
  constexpr std::size_t kNames = 2;
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string one;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool is_number = i >= kNames && i < kNames + numbers;
      if (i > 0) one += "  ";
      one += is_number ? fmt::format("{:>{}}", line[i], widths[i])
                       : fmt::format("{:<{}}", line[i], widths[i]);
    }
    one.erase(one.find_last_not_of(' ') + 1);
    text += one + "\n";
  }
  return text;
}

}  // namespace

std::string snapshot_table(const Snapshot& snapshot, const PodFilter& filter) {
  const auto rows = rows_of(snapshot, filter);
  std::vector<TcpState> states;
  std::copy_if(kTcpStates.begin(), kTcpStates.end(), std::back_inserter(states),
               [&](TcpState state) { return is_shown(state, rows, filter); });
  const bool notes =
      std::any_of(rows.begin(), rows.end(), [](const Row& row) { return !row.note.empty(); });

  Cells head{"NAMESPACE", "POD"};
  for (const auto state : states) head.push_back(upper(name_of(state)));
  if (notes) head.emplace_back("NOT VISIBLE");
  std::vector<Cells> lines{head};
  for (const auto& row : rows) lines.push_back(cells_of(row, states, notes));
  return aligned(lines, states.size());
}

}  // namespace closewatch
