// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/connection_tally.h"

#include <algorithm>

namespace closewatch {

ConnectionPeer Connection::peer() const {
  ConnectionPeer peer{direction, remote};
  if (direction == Direction::kInbound) peer.remote.port = 0;
  return peer;
}

void ConnectionTally::restart() {
  total_ = 0;
  without_peer_ = 0;
  sockets_.clear();
  pairs_.clear();
}

void ConnectionTally::row(const SocketRow& row) {
  Connection socket;
  socket.state = row.state;
  socket.local = unmapped(row.local);
  socket.remote = unmapped(row.remote);
  socket.direction = listening_.test(row.local.port) ? Direction::kInbound : Direction::kOutbound;
  socket.receive_queue = row.receive_queue;
  socket.send_queue = row.send_queue;
  socket.inode = row.inode;
  const bool is_wanted = (settings_.states & bit_of(row.state)) != 0;
  if (row.state != TcpState::kListen) add_to_peer(socket, is_wanted);
  if (!is_wanted) return;
  ++total_;
  if (sockets_.size() < settings_.most_sockets) sockets_.push_back(socket);
}

/// Addresses and ports name a connection, so each socket towards a peer from one local address has
/// a port of its own.
void ConnectionTally::add_to_peer(const Connection& socket, bool is_wanted) {
  const Pair pair{socket.peer(), socket.local.address};
  auto known = pairs_.find(pair);
  if (known == pairs_.end()) {
    if (pairs_.size() >= settings_.most_peers) {
      without_peer_ += is_wanted ? 1 : 0;
      return;
    }
    known = pairs_.emplace(pair, Sums()).first;
  }
  if (is_wanted) known->second.states.add(socket.state);
  if (socket.direction == Direction::kOutbound && local_.test(socket.local.port)) {
    ++known->second.ports_used;
  }
}

std::vector<PeerConnections> ConnectionTally::peers() const {
  std::vector<PeerConnections> peers;
  for (const auto& [pair, sums] : pairs_) {
    if (peers.empty() || peers.back().peer != pair.peer) peers.push_back({pair.peer, {}, 0});
    auto& peer = peers.back();
    peer.states.add(sums.states);
    peer.ports_used = std::max(peer.ports_used, sums.ports_used);
  }
  std::erase_if(peers, [](const PeerConnections& peer) { return peer.states.total() == 0; });
  return peers;
}

}  // namespace closewatch
