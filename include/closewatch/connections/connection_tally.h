// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "closewatch/connections/local_ports.h"
#include "closewatch/diagnosis/close_wait_socket.h"
#include "closewatch/diagnosis/state_counts.h"
#include "closewatch/kernel/socket_source.h"

namespace closewatch {

/// Who is at the other end: a destination by address and port, who has come in by address, as its
/// port differs with each connection.
struct ConnectionPeer {
  Direction direction = Direction::kOutbound;
  Endpoint remote;  ///< port 0 for what came in

  auto operator<=>(const ConnectionPeer&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// What a namespace has towards one peer.
struct PeerConnections {
  ConnectionPeer peer;
  StateCounts states;  ///< of the wanted ones
  std::uint64_t ports_used =
      0;  ///< local ports that the kernel cannot choose for it any more,
          ///< from that local address which has used most; whatever the state
};

/// A single socket.
struct Connection {
  TcpState state = TcpState::kClose;
  Endpoint local;  ///< a v4-mapped address as the IPv4 address that it is
  Endpoint remote;
  Direction direction = Direction::kOutbound;
  std::uint32_t receive_queue = 0;  ///< as SocketRow's
  std::uint32_t send_queue = 0;
  std::uint32_t inode = 0;

  [[nodiscard]] ConnectionPeer peer() const;
};

/// Sums up the sockets of one namespace by peer, and keeps single ones, as far as it has room.
class ConnectionTally final : public RowSink {
 public:
  struct Settings {
    std::uint32_t states = SocketQuery::kAllStates;  ///< wanted: a bit for each
    /// So many single sockets are kept; those beyond are counted.
    std::size_t most_sockets = 0;
    /// So many peers are told apart, for each local address; those beyond are counted.
    std::size_t most_peers = 0;
  };

  /// `local` are the ports that the kernel chooses from, `listening` those that take connections.
  ConnectionTally(const Settings& settings, const PortSet& local, const PortSet& listening)
      : settings_(settings), local_(local), listening_(listening) {}

  void restart() override;
  void row(const SocketRow& row) override;
  void counted(const SocketCount& /*count*/) override {}  // a dump tells each by a row
  void port_in_use(std::uint16_t /*port*/) override {}

  /// All sockets in a wanted state.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  /// Of these, those whose peers found no room; all have one but those that listen.
  [[nodiscard]] std::uint64_t without_peer() const { return without_peer_; }
  [[nodiscard]] std::vector<Connection>& sockets() { return sockets_; }
  /// Those with a socket in a wanted state, in no order.
  [[nodiscard]] std::vector<PeerConnections> peers() const;

 private:
  /// A peer as one local address has it.
  struct Pair {
    ConnectionPeer peer;
    IpAddress local;

    auto operator<=>(const Pair&) const = default;  // NOLINT(modernize-use-nullptr)
  };
  struct Sums {
    StateCounts states;
    std::uint64_t ports_used = 0;
  };

  void add_to_peer(const Connection& socket, bool is_wanted);

  Settings settings_;
  const PortSet& local_;
  const PortSet& listening_;
  std::uint64_t total_ = 0;
  std::uint64_t without_peer_ = 0;
  std::vector<Connection> sockets_;
  std::map<Pair, Sums> pairs_;
};

}  // namespace closewatch
