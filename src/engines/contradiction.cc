// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/contradiction.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "closewatch/diagnosis/peer.h"

namespace closewatch {
namespace {

using Known = NamespaceRecord::Known;

/// By name, each once.
std::vector<Known> sorted(std::vector<Known> sockets) {
  std::sort(sockets.begin(), sockets.end());
  sockets.erase(std::unique(sockets.begin(), sockets.end()), sockets.end());
  return sockets;
}

std::vector<Known> common(const std::vector<Known>& one, const std::vector<Known>& other) {
  std::vector<Known> both;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(),
                        std::back_inserter(both));
  return both;
}

std::optional<std::string> find_wrong_count(const CrossCheck& check) {
  if (check.mptcp || !check.before.knows_all() || !check.after.knows_all()) return std::nullopt;
  const auto before = sorted(check.before.sockets());
  const auto after = sorted(check.after.sockets());
  StateCounts stayed;
  for (const auto& known : common(before, after)) stayed.add(known.state);
  const bool none_else = check.silent && before == after;
  for (const auto state : kTcpStates) {
    const auto told = check.checked.counts().of(state);
    const auto least = stayed.of(state);
    const bool exact = none_else && state != TcpState::kListen;
    if (told >= least && !(exact && told > least)) continue;
    return fmt::format(
        "of sockets in {} inet_diag says {} before and {} after, of which {} are the "
        "same; bpf says {} in between",
        name_of(state), check.before.counts().of(state), check.after.counts().of(state), least,
        told);
  }
  return std::nullopt;
}

auto ends_of(const SocketRow& row) { return std::tie(row.state, row.local, row.remote); }

struct ByEnds {
  bool operator()(const SocketRow* a, const SocketRow* b) const {
    return ends_of(*a) < ends_of(*b);
  }
};

std::vector<const SocketRow*> by_ends(const std::vector<SocketRow>& rows) {
  std::vector<const SocketRow*> sorted;
  sorted.reserve(rows.size());
  for (const auto& row : rows) sorted.push_back(&row);
  std::sort(sorted.begin(), sorted.end(), ByEnds());
  return sorted;
}

std::vector<const SocketRow*> by_name(const std::vector<SocketRow>& rows) {
  std::vector<const SocketRow*> sorted;
  sorted.reserve(rows.size());
  for (const auto& row : rows) sorted.push_back(&row);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->cookie < b->cookie; });
  return sorted;
}

/// The row of the same socket in the same state; nullptr when there is none.
const SocketRow* same_socket(const std::vector<const SocketRow*>& by_name, const SocketRow& row) {
  const auto found =
      std::lower_bound(by_name.begin(), by_name.end(), row.cookie,
                       [](const auto* a, std::uint64_t cookie) { return a->cookie < cookie; });
  if (found == by_name.end() || (*found)->cookie != row.cookie) return nullptr;
  return (*found)->state == row.state ? *found : nullptr;
}

/// One socket, as inet_diag has told it twice.
struct Witnessed {
  const SocketRow& before;
  const SocketRow& after;
  bool silent;

  /// Whether it may have been so in between.
  [[nodiscard]] bool allows(const SocketRow& row) const {
    return allows_cgroup(row) && (row.inode == before.inode || row.inode == after.inode) &&
           (before.state == TcpState::kListen ? allows_queue(row) : allows_unread(row));
  }

 private:
  /// Where the kernel knows none, kUnknownCgroup stands for it.
  [[nodiscard]] bool allows_cgroup(const SocketRow& row) const {
    const auto known = [](const SocketRow& of) { return of.cgroup_id.value_or(kUnknownCgroup); };
    return known(row) == known(before) || known(row) == known(after);
  }
  /// After its FIN nothing comes any more: what is unread can but become less.
  [[nodiscard]] bool allows_unread(const SocketRow& row) const {
    return row.receive_queue >= after.receive_queue && row.receive_queue <= before.receive_queue;
  }
  /// The connections that wait may come and go, unless none can have come.
  [[nodiscard]] bool allows_queue(const SocketRow& row) const {
    const bool limit = row.send_queue == before.send_queue || row.send_queue == after.send_queue;
    const bool still = silent && before.receive_queue == after.receive_queue;
    return limit && (!still || row.receive_queue == before.receive_queue);
  }
};

std::string text_of(const SocketRow& row) {
  const auto queue = row.state == TcpState::kListen
                         ? fmt::format("accept queue {} of {}", row.receive_queue, row.send_queue)
                         : fmt::format("receive queue {}", row.receive_queue);
  return fmt::format("{}, inode {}, cgroup {}", queue, row.inode,
                     row.cgroup_id.value_or(kUnknownCgroup));
}

std::optional<std::string> find_wrong_row(const CrossCheck& check) {
  const auto after = by_name(check.after.rows());
  const auto checked = by_ends(check.checked.rows());
  for (const auto& row : check.before.rows()) {
    const auto* const later = same_socket(after, row);
    // Others keep another part of the rows where these are too many.
    if (later == nullptr || !check.checked.keeps(row)) continue;
    if (check.mptcp && row.state != TcpState::kListen) continue;
    const Witnessed witnessed{row, *later, check.silent};
    const auto [first, last] = std::equal_range(checked.begin(), checked.end(), &row, ByEnds());
    if (std::any_of(first, last, [&](const auto* told) { return witnessed.allows(*told); })) {
      continue;
    }
    return fmt::format("of the socket in {} {} - {} inet_diag says: {}; bpf says: {}",
                       name_of(row.state), text_of(row.local), text_of(row.remote), text_of(row),
                       first == last ? "there is none" : text_of(**first));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_contradiction(const CrossCheck& check) {
  if (auto wrong = find_wrong_row(check)) return wrong;
  return find_wrong_count(check);
}

}  // namespace closewatch
