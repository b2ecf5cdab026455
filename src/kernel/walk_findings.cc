// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk_findings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include <boost/container_hash/hash.hpp>

#include "closewatch/kernel/tcp_state.h"

namespace closewatch {
namespace {

constexpr std::uint8_t kAfInet6 = 10;  // AF_INET6

IpAddress address(const walk_record& record, std::span<const walk_u8, 16> bytes) {
  IpAddress address;
  address.family = record.family == kAfInet6 ? AddressFamily::kIpv6 : AddressFamily::kIpv4;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

/// Of what no other socket of the namespace has while this one is in CLOSE_WAIT, nor a later one at
/// the same address: after the FIN no sequence number follows.
std::uint64_t identity(const walk_record& record) {
  std::size_t hash = 0;
  boost::hash_combine(hash, record.socket);
  boost::hash_combine(hash, record.sequence);
  boost::hash_combine(hash, record.local_port);
  boost::hash_combine(hash, record.remote_port);
  return hash;
}

SocketRow row_of(const walk_record& record, TcpState state, const walk_answer& run,
                 std::optional<unsigned> ticks) {
  SocketRow row;
  row.state = state;
  row.local = {address(record, record.local), record.local_port};
  row.remote = {address(record, record.remote), ntohs(record.remote_port)};
  row.cookie = identity(record);
  row.inode = static_cast<std::uint32_t>(record.inode);  // as inet_diag gives it
  // copied_seq may be ahead while data is being copied (tcp_diag_get_info() cuts it likewise).
  row.receive_queue =
      static_cast<std::int32_t>(record.receive_queue) < 0 ? 0 : record.receive_queue;
  row.send_queue = record.send_queue;
  if (record.cgroup != 0) row.cgroup_id = record.cgroup;
  row.binding.port = (record.binding & WALK_BOUND_PORT) != 0;
  row.binding.address = (record.binding & WALK_BOUND_ADDRESS) != 0;
  row.binding.transparent = (record.binding & WALK_TRANSPARENT) != 0;
  if (ticks && state != TcpState::kListen) {
    const auto elapsed = static_cast<std::uint32_t>(run.jiffies) - record.received_at;
    // An ACK that came in after the run began is later than "now".
    const bool later = static_cast<std::int32_t>(elapsed) < 0;
    row.last_ack_received_ms =
        later ? 0 : static_cast<std::uint32_t>(std::uint64_t{elapsed} * 1000 / *ticks);
  }
  return row;
}

/// Empties it in the same memory, which is given back when few of many were left.
void clear(std::vector<SocketRow>& rows) {
  if (rows.size() < rows.capacity() / 4) rows = {};
  rows.clear();
}

void append(std::vector<SocketRow>& rows, const std::vector<SocketRow>& others) {
  rows.insert(rows.end(), others.begin(), others.end());
}

}  // namespace

std::optional<unsigned> ticks_per_second(std::uint64_t jiffies, std::uint64_t monotonic_ns) {
  constexpr double kNanoseconds = 1e9;
  constexpr std::uint64_t kWrap = std::uint64_t{1} << 32U;
  constexpr double kClose = 1;  // the clock starts a moment before or after the ticks do, seconds
  constexpr double kDrift = 0.01;  // 250 and 300 are 20 % apart
  const auto monotonic = static_cast<double>(monotonic_ns) / kNanoseconds;
  std::optional<unsigned> fitting;
  for (const unsigned hz : {100U, 250U, 300U, 1000U}) {
    const auto first = kWrap - std::uint64_t{300} * hz;
    if (jiffies < first) continue;
    const auto seconds = static_cast<double>(jiffies - first) / hz;
    if (std::abs(seconds - monotonic) > kClose + kDrift * monotonic) continue;
    if (fitting) return std::nullopt;  // when the ticks wrap, all are alike for a moment
    fitting = hz;
  }
  return fitting;
}

void WalkFindings::begin_scan(KernelAddress split) {
  split_ = split;
  std::erase_if(rows_, [](const auto& entry) { return entry.second.size() == 0; });
  for (auto& [space, rows] : rows_) {
    clear(rows.listeners);
    clear(rows.close_wait);
  }
  rows_held_ = 0;
  counts_.clear();
  chain_ = {};
  gaps_.clear();
}

void WalkFindings::take(std::span<const walk_record> records, const walk_answer& run) {
  if (!ticks_) ticks_ = ticks_per_second(run.jiffies, run.monotonic);
  for (const auto& record : records) {
    if (chain_.open) take_into_chain(record);
    // Who has been found to be incomplete is told no more, and a long chain has no end.
    if (gap_of(record.net) != nullptr || (chain_.open && chain_is_too_long())) continue;
    if (record.counted == 0) count(chain_.open ? chain_.counts : counts_, record);
    const auto state = tcp_state_from(record.state);
    if (state == TcpState::kCloseWait || state == TcpState::kListen) {
      add_row(chain_.open ? chain_.rows : rows_, record, *state, run);
    }
  }
}

void WalkFindings::take_into_chain(const walk_record& record) {
  chain_.spaces.insert(record.net);
  if (!chain_is_too_long()) chain_.sockets.push_back(record.socket);
}

void WalkFindings::count(Counts& counts, const walk_record& record) const {
  auto& counted = counts[{record.net, record.net == split_ ? record.cgroup : 0}];
  counted.cookie = record.cookie;
  ++counted.sockets[record.state & (WALK_STATES - 1U)];
}

void WalkFindings::add_row(Rows& rows, const walk_record& record, TcpState state,
                           const walk_answer& run) {
  auto& own = rows[record.net];
  auto& alike = state == TcpState::kListen ? own.listeners : own.close_wait;
  alike.push_back(row_of(record, state, run, ticks_));
  if (++rows_held_ > bounds_.rows) make_room();
}

/// Half of it at once, so that this costs little for each row, however many follow.
void WalkFindings::make_room() {
  std::map<KernelAddress, std::size_t> held;
  for (const auto* const rows : {&rows_, &chain_.rows}) {
    for (const auto& [space, own] : *rows) held[space] += own.size();
  }
  std::vector<std::pair<std::size_t, KernelAddress>> largest_last;
  largest_last.reserve(held.size());
  for (const auto& [space, size] : held) largest_last.emplace_back(size, space);
  std::sort(largest_last.begin(), largest_last.end());
  while (rows_held_ > bounds_.rows / 2 && !largest_last.empty()) {
    const auto [size, space] = largest_last.back();
    largest_last.pop_back();
    rows_.erase(space);
    chain_.rows.erase(space);
    rows_held_ -= size;
    gaps_[space] = "the bpf engine has room for " + std::to_string(bounds_.rows) +
                   " sockets in CLOSE_WAIT or LISTEN, and of all network namespaces this one has " +
                   "the most; engine inet_diag reads one at a time";
  }
}

void WalkFindings::begin_chain() {
  for (const auto& [space, rows] : chain_.rows) rows_held_ -= rows.size();
  chain_.open = true;
  chain_.rows.clear();
  chain_.counts.clear();
  chain_.sockets.clear();
}

bool WalkFindings::accept_chain() {
  if (chain_is_too_long()) return false;
  std::sort(chain_.sockets.begin(), chain_.sockets.end());
  const auto twice = std::adjacent_find(chain_.sockets.begin(), chain_.sockets.end());
  if (twice != chain_.sockets.end()) return false;
  for (auto& [space, rows] : chain_.rows) {
    append(rows_[space].listeners, rows.listeners);
    append(rows_[space].close_wait, rows.close_wait);
  }
  for (const auto& [key, counted] : chain_.counts) {
    auto& sum = counts_[key];
    sum.cookie = counted.cookie;
    for (std::size_t i = 0; i < sum.sockets.size(); ++i) sum.sockets[i] += counted.sockets[i];
  }
  chain_ = {};
  return true;
}

void WalkFindings::give_up_chain() {
  const auto why =
      chain_is_too_long()
          ? "a chain of the kernel's hash table that has some of its sockets is longer than the " +
                std::to_string(bounds_.chain) +
                " that the bpf engine has room for: too many sockets have one address and port, or "
                "net.ipv4.tcp_child_ehash_entries is too small"
          : "a chain of the kernel's hash table that has some of its sockets changed each of the " +
                std::to_string(WALK_ATTEMPTS) +
                " times that it was read; if that lasts, take engine inet_diag";
  begin_chain();
  for (const auto space : chain_.spaces) gaps_.emplace(space, why);
  chain_ = {};
}

const std::string* WalkFindings::gap_of(KernelAddress space) const {
  if (gaps_.empty()) return nullptr;
  const auto gap = gaps_.find(space);
  return gap == gaps_.end() ? nullptr : &gap->second;
}

const SpaceRows& WalkFindings::rows_of(KernelAddress space) const {
  static const SpaceRows none;
  const auto rows = rows_.find(space);
  return rows == rows_.end() ? none : rows->second;
}

}  // namespace closewatch
