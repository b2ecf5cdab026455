// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/socket_tally.h"

#include <algorithm>

namespace closewatch {
namespace {

std::optional<std::uint64_t> accept_limit(const SocketRow& listener) {
  if (listener.send_queue == kNoAcceptLimit) return std::nullopt;
  return listener.send_queue;
}

/// Sorts by port and makes one of those with the same.
void merge_by_port(std::vector<ListenBacklog>& listeners) {
  std::sort(listeners.begin(), listeners.end(),
            [](const ListenBacklog& a, const ListenBacklog& b) { return a.port < b.port; });
  auto kept = listeners.begin();
  for (auto next = listeners.begin(); next != listeners.end(); ++next) {
    if (kept != next && kept->port == next->port) {
      kept->add(*next);
    } else if (kept != next) {
      *++kept = *next;
    }
  }
  if (!listeners.empty()) listeners.erase(kept + 1, listeners.end());
}

}  // namespace

void ListenBacklog::add(const ListenBacklog& other) {
  sockets += other.sockets;
  limit = limit && other.limit ? std::optional(*limit + *other.limit) : std::nullopt;
}

std::pair<double, std::uint64_t> ListenBacklog::fullness() const {
  return {static_cast<double>(sockets) / (static_cast<double>(limit.value_or(0)) + 1), sockets};
}

void SocketSums::add(const SocketSums& other) {
  states.add(other.states);
  listeners.insert(listeners.end(), other.listeners.begin(), other.listeners.end());
  merge_by_port(listeners);
}

void SocketTally::begin_pod(const std::vector<ContainerCgroup>& cgroups, std::size_t expected) {
  cgroups_ = cgroups;
  std::sort(cgroups_.begin(), cgroups_.end(),
            [](const ContainerCgroup& a, const ContainerCgroup& b) { return a.id < b.id; });
  close_wait_.clear();
  close_wait_.reserve(expected + expected / 8);
  saw_full_socket_ = false;
  saw_cgroup_id_ = false;
  saw_tcp_info_ = false;
  begin_namespace();
}

void SocketTally::begin_namespace() {
  namespace_begin_ = close_wait_.size();
  restart();
}

void SocketTally::restart() {
  sums_.states = {};
  sums_.listeners.clear();
  if (any_port_in_use_) ports_in_use_.reset();
  any_port_in_use_ = false;
  transparent_listener_ = false;
  close_wait_.resize(namespace_begin_);
}

void SocketTally::row(const SocketRow& row) {
  sums_.states.add(row.state);
  saw_full_socket_ |= !may_lack_cgroup(row.state);
  saw_cgroup_id_ |= row.cgroup_id.value_or(kUnknownCgroup) != kUnknownCgroup;
  saw_tcp_info_ |= row.last_ack_received_ms.has_value();
  if (row.state == TcpState::kListen) {
    transparent_listener_ |= row.binding.transparent == true;
    sums_.listeners.push_back({row.local.port, row.receive_queue, accept_limit(row)});
    return;
  }
  port_in_use(row.local.port);
  if (row.state != TcpState::kCloseWait) return;
  close_wait_.push_back(close_wait_socket(row));
  close_wait_.back().container = container_of(row);
}

ContainerIndex SocketTally::container_of(const SocketRow& row) const {
  if (!row.cgroup_id) return kNoContainer;
  const auto at = std::lower_bound(
      cgroups_.begin(), cgroups_.end(), *row.cgroup_id,
      [](const ContainerCgroup& cgroup, std::uint64_t id) { return cgroup.id < id; });
  return at != cgroups_.end() && at->id == *row.cgroup_id ? at->container : kNoContainer;
}

const SocketSums& SocketTally::sums() {
  merge_by_port(sums_.listeners);
  return sums_;
}

void SocketTally::trim() {
  constexpr std::size_t kCommon = 4096;
  if (close_wait_.capacity() <= kCommon) return;
  close_wait_.clear();
  close_wait_.shrink_to_fit();
}

}  // namespace closewatch
