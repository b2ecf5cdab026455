// SPDX-License-Identifier: Apache-2.0
#include "held/held_records.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/container_hash/hash.hpp>

#include "closewatch/base/printable.h"
#include "closewatch/kernel/tcp_state.h"

namespace closewatch {
namespace {

Endpoint endpoint(const held_record& record, std::span<const held_u8, 16> bytes,
                  held_u16 network_port) {
  Endpoint endpoint;
  endpoint.address.family = record.ipv6 != 0 ? AddressFamily::kIpv6 : AddressFamily::kIpv4;
  std::copy(bytes.begin(), bytes.end(), endpoint.address.bytes.begin());
  endpoint.port = ntohs(network_port);
  return endpoint;
}

/// Of what no other socket has while this one is held, nor a later one at the same address.
std::uint64_t identity_of(const held_record& record) {
  std::size_t hash = 0;
  boost::hash_combine(hash, record.socket);
  boost::hash_combine(hash, record.sequence);
  boost::hash_combine(hash, record.inode);
  return hash;
}

}  // namespace

Result<void> HeldRecords::take(Bytes bytes) {
  constexpr auto kSize = sizeof(held_record);
  while (!bytes.empty()) {
    if (begun_.empty() && bytes.size() >= kSize) {
      if (auto taken = take_record(*read_as<held_record>(bytes)); !taken) return taken;
      bytes = bytes.subspan(kSize);
      continue;
    }
    const auto more = bytes.first(std::min(kSize - begun_.size(), bytes.size()));
    begun_.insert(begun_.end(), more.begin(), more.end());
    bytes = bytes.subspan(more.size());
    if (begun_.size() < kSize) break;
    const auto record = *read_as<held_record>(begun_);
    begun_.clear();
    if (auto taken = take_record(record); !taken) return taken;
  }
  return {};
}

Result<void> HeldRecords::take_record(const held_record& record) {
  if (!seen_.insert(record.socket).second) return {};
  if (sockets_.size() == most_) {
    return fail(ErrorKind::kOverLimit, "more than " + std::to_string(most_) +
                                           " sockets are held whose connections are over, the most "
                                           "that there is room for");
  }
  auto& socket = sockets_.emplace_back();
  socket.row.local = endpoint(record, record.local, record.local_port);
  socket.row.remote = endpoint(record, record.remote, record.remote_port);
  socket.row.state = tcp_state_from(record.state).value_or(TcpState::kClose);
  socket.row.binding.port = (record.origin & HELD_BOUND_PORT) != 0;
  socket.accepted = (record.origin & HELD_ACCEPTED) != 0;
  socket.row.cookie = identity_of(record);
  socket.row.inode = static_cast<std::uint32_t>(record.inode);
  if (record.cgroup != 0) socket.row.cgroup_id = record.cgroup;
  socket.space = record.space;
  socket.pid = static_cast<pid_t>(record.pid);
  const auto* const end = std::find(std::begin(record.comm), std::end(record.comm), 0);
  socket.comm = printable(std::string(std::begin(record.comm), end));
  return {};
}

Result<std::vector<HeldSocket>> HeldRecords::result() && {
  if (!begun_.empty()) {
    return fail(ErrorKind::kMalformed, "what the kernel tells of held sockets was cut");
  }
  return std::move(sockets_);
}

}  // namespace closewatch
