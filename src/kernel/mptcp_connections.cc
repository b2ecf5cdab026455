// SPDX-License-Identifier: Apache-2.0
#include "kernel/mptcp_connections.h"

#include <algorithm>
#include <tuple>

namespace closewatch {
namespace {

auto ends_of(const SocketRow& row) {
  return std::tie(row.local.port, row.remote.port, row.local.address.bytes,
                  row.remote.address.bytes);
}

/// bind() is the first subflow's (mptcp_bind() in net/mptcp/protocol.c). The age is no more than
/// both say: the FIN may have come by any subflow.
void take_from_first(SocketRow& connection, const SocketRow& subflow) {
  connection.binding = subflow.binding;
  auto& age = connection.last_ack_received_ms;
  const auto& other = subflow.last_ack_received_ms;
  if (other) age = std::min(age.value_or(*other), *other);
}

}  // namespace

void MptcpConnections::restart() {
  constexpr std::size_t kCommon = 4096;
  connections_.clear();
  inodes_.clear();
  if (connections_.capacity() <= kCommon) return;
  connections_.shrink_to_fit();
  inodes_.shrink_to_fit();
}

void MptcpConnections::complete() {
  std::sort(connections_.begin(), connections_.end(),
            [](const auto& a, const auto& b) { return ends_of(a.row) < ends_of(b.row); });
  // A dump may tell one again, as mptcp_token_iter_next() goes on by number.
  const auto again =
      std::unique(connections_.begin(), connections_.end(),
                  [](const auto& a, const auto& b) { return ends_of(a.row) == ends_of(b.row); });
  connections_.erase(again, connections_.end());
  for (const auto& connection : connections_) {
    if (connection.row.inode != 0) inodes_.push_back(connection.row.inode);
  }
  std::sort(inodes_.begin(), inodes_.end());
}

MptcpConnections::Connection* MptcpConnections::with_ends_of(const SocketRow& socket) {
  const auto at = std::lower_bound(
      connections_.begin(), connections_.end(), socket,
      [](const Connection& one, const auto& wanted) { return ends_of(one.row) < ends_of(wanted); });
  const bool found = at != connections_.end() && ends_of(at->row) == ends_of(socket);
  return found ? &*at : nullptr;
}

bool MptcpConnections::has_inode(std::uint32_t inode) const {
  return std::binary_search(inodes_.begin(), inodes_.end(), inode);
}

void SubflowsAsConnections::row(const SocketRow& row) {
  if (connections_.all().empty() || row.state == TcpState::kListen) return sink_.row(row);
  auto* const connection = connections_.with_ends_of(row);
  if (connection == nullptr) {
    if (!connections_.has_inode(row.inode)) sink_.row(row);
    return;
  }
  if (connection->handed_on) return;
  take_from_first(connection->row, row);
  hand_on(*connection);
}

void SubflowsAsConnections::finish() {
  for (auto& connection : connections_.all()) {
    if (!connection.handed_on) hand_on(connection);
  }
}

void SubflowsAsConnections::hand_on(MptcpConnections::Connection& connection) {
  connection.handed_on = true;
  if ((query_.states & bit_of(connection.row.state)) != 0) sink_.row(connection.row);
}

}  // namespace closewatch
