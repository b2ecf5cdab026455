// SPDX-License-Identifier: Apache-2.0
#include "kernel/bpf_source.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

bool wanted(const SocketQuery& query, TcpState state) {
  return (query.states & bit_of(state)) != 0;
}

}  // namespace

BpfSource::BpfSource(std::unique_ptr<WalkProgram> program, const WalkBounds& bounds)
    : program_(std::move(program)),
      memory_(program_->memory()),
      findings_(bounds),
      ports_(memory_.ports),
      longest_walk_(std::uint64_t{8} * bounds.chain) {}

Result<void> BpfSource::check() {
  const auto own = open_at(kWorkingDirectory, "/proc/thread-self/ns/net", O_RDONLY);
  if (!own) return tl::unexpected(own.error());
  const auto found = identify(own->get());
  if (!found) return tl::unexpected(found.error());
  return {};
}

void BpfSource::begin_scan(std::optional<int> split) {
  ++memory_.request.generation;
  tables_.clear();
  ports_.begin_scan();
  memory_.request.watching = 0;
  split_ = 0;
  if (split) {
    if (const auto space = identify(*split)) split_ = space->net;
  }
  memory_.request.split = split_;
  findings_.begin_scan(split_);
}

Result<SocketReading> BpfSource::read(int network_namespace, const SocketQuery& query,
                                      RowSink& sink) {
  sink.restart();
  const auto space = identify(network_namespace);
  if (!space) return tl::unexpected(space.error());
  if (auto walked = walk_tables_of(*space); !walked) {
    ports_.keep(*space);
    return tl::unexpected(walked.error());
  }
  hand_over_counts(query, sink);
  const auto& rows = findings_.rows_of(space->net);
  hand_over_rows(rows.listeners, query, sink);
  hand_over_rows(rows.close_wait, query, sink);
  ports_.hand_over(*space, rows, sink);
  return SocketReading{space->cookie};
}

/// Those of them that this scan has not walked yet. Afterwards all of the namespace is known.
Result<void> BpfSource::walk_tables_of(const walk_namespace& space) {
  // Listeners first: which ports have ceased to listen is known before their sockets are walked.
  if (const auto& walked = listeners(space); !walked) return walked;
  if (const auto& walked = connections(space); !walked) return walked;
  if (const auto* const gap = findings_.gap_of(space.net); gap != nullptr) {
    return fail(ErrorKind::kInterrupted, *gap);
  }
  find_counts_of(space);
  const bool same = std::all_of(counts_.begin(), counts_.end(), [&](const auto& counted) {
    return counted.second.cookie == space.cookie;
  });
  if (same) return {};
  return fail(ErrorKind::kInterrupted, "the network namespace is another than when it was walked");
}

Result<walk_namespace> BpfSource::identify(int network_namespace) {
  memory_.request.descriptor = static_cast<walk_u32>(network_namespace);
  if (auto run = program_->identify_namespace(); !run) return tl::unexpected(run.error());
  if (memory_.found_namespace.net == 0) {
    return fail(
        ErrorKind::kUnsupported,
        "it is no network namespace, or the kernel keeps those otherwise than the bpf engine "
        "expects; then take engine inet_diag");
  }
  return memory_.found_namespace;
}

const Result<void>& BpfSource::listeners(const walk_namespace& space) {
  const auto known = tables_.find(space.listening);
  if (known != tables_.end()) return known->second;
  auto walked = walk(space.listening, space.listening_mask, true);
  memory_.request.watching = ports_.watch(findings_) ? 1 : 0;
  return tables_.emplace(space.listening, std::move(walked)).first->second;
}

const Result<void>& BpfSource::connections(const walk_namespace& space) {
  const auto known = tables_.find(space.established);
  if (known != tables_.end()) return known->second;
  auto walked = walk(space.established, space.established_mask, false);
  return tables_.emplace(space.established, std::move(walked)).first->second;
}

/// Run by run, so that no CPU is held for longer than one of them takes. O(buckets + sockets).
Result<void> BpfSource::walk(KernelAddress table, std::uint64_t mask, bool listening) {
  auto& request = memory_.request;
  const auto& answer = memory_.answer;
  request.table = table;
  request.mask = mask;
  request.listening = listening ? 1 : 0;
  for (std::uint64_t next = 0; next <= mask;) {
    request.first = next;
    if (auto run = program_->walk_table(); !run) return run;
    if (answer.unreadable > 0) {
      return fail(ErrorKind::kInterrupted, "the kernel's table of sockets cannot be read");
    }
    if (answer.next <= next) {
      return fail(ErrorKind::kSystem, "the walk through the kernel's sockets does not advance");
    }
    take_records();
    next = answer.next;
    if (answer.left_out == 0) continue;
    if (auto read = read_chain(next - 1); !read) return read;
  }
  return {};
}

void BpfSource::take_records() {
  const auto& answer = memory_.answer;
  findings_.take(memory_.records.first(std::min<std::size_t>(answer.records, WALK_RECORDS)),
                 answer);
}

/// A chain that is too long for walk_table, or changed each time that it looked. O(n log n) for its
/// n sockets, in each of at most WALK_ATTEMPTS attempts.
Result<void> BpfSource::read_chain(std::uint64_t bucket) {
  memory_.request.first = bucket;
  for (unsigned attempt = 0; attempt < WALK_ATTEMPTS; ++attempt) {
    findings_.begin_chain();
    const auto whole = follow_chain();
    if (!whole) return tl::unexpected(whole.error());
    if (*whole && findings_.accept_chain()) return {};
    if (findings_.chain_is_too_long()) break;
  }
  findings_.give_up_chain();
  return {};
}

/// Whether the chain's own end was reached.
Result<bool> BpfSource::follow_chain() {
  const auto& answer = memory_.answer;
  memory_.request.resume = 0;
  for (std::uint64_t sockets = 0; sockets < longest_walk_; sockets += answer.sockets) {
    if (auto run = program_->walk_chain(); !run) return tl::unexpected(run.error());
    take_records();
    if (answer.end != WALK_MORE) return answer.end == WALK_WHOLE;
    memory_.request.resume = 1;
  }
  return false;
}

/// What the namespace's sockets were counted as, by the program and beside it: nothing when it has
/// none.
void BpfSource::find_counts_of(const walk_namespace& space) {
  counts_.clear();
  const auto generation = memory_.request.generation;
  const auto add = [&](const walk_group& group) {
    counts_.push_back({group.cgroup, {.cookie = group.cookie}});
    std::copy(std::begin(group.sockets), std::end(group.sockets),
              counts_.back().second.sockets.begin());
  };
  if (space.net == split_) {
    for (const auto& group : memory_.groups) {
      if (group.generation == generation && group.net == space.net) add(group);
    }
  } else if (const auto* const group = group_of(space.net); group != nullptr) {
    add(*group);
  }
  const auto& others = findings_.counts();
  for (auto other = others.lower_bound({space.net, 0});
       other != others.end() && other->first.first == space.net; ++other) {
    counts_.emplace_back(other->first.second, other->second);
  }
}

/// Where the program has put a namespace that is not split.
const walk_group* BpfSource::group_of(KernelAddress space) const {
  const auto start = walk_group_place(space, 0);
  for (unsigned i = 0; i < WALK_PROBES; ++i) {
    const auto& group = memory_.groups[(start + i) & (WALK_GROUPS - 1)];
    if (group.generation != memory_.request.generation) return nullptr;
    if (group.net == space && group.cgroup == 0) return &group;
  }
  return nullptr;
}

void BpfSource::hand_over_counts(const SocketQuery& query, RowSink& sink) const {
  for (const auto& [cgroup, counted] : counts_) {
    for (const auto state : kTcpStates) {
      // Those have rows.
      if (state == TcpState::kCloseWait || state == TcpState::kListen) continue;
      const auto sockets = counted.sockets[static_cast<std::size_t>(state)];
      if (sockets == 0 || !wanted(query, state)) continue;
      sink.counted(
          {state, sockets, cgroup != 0 ? std::optional<std::uint64_t>(cgroup) : std::nullopt});
    }
  }
}

void BpfSource::hand_over_rows(std::span<const SocketRow> rows, const SocketQuery& query,
                               RowSink& sink) {
  for (auto row : rows) {
    if (!wanted(query, row.state)) continue;
    if (!query.tcp_info) row.last_ack_received_ms.reset();
    sink.row(row);
  }
}

}  // namespace closewatch
