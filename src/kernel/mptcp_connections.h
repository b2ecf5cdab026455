// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "closewatch/kernel/socket_source.h"

namespace closewatch {

/// The MPTCP connections of one namespace, as a dump of IPPROTO_MPTCP tells them
/// (mptcp_diag_dump() in net/mptcp/mptcp_diag.c). Keeps its memory from namespace to namespace, but
/// for that of an uncommon number of them.
class MptcpConnections final : public RowSink {
 public:
  struct Connection {
    SocketRow row;
    bool handed_on = false;
  };

  /// Another namespace.
  void restart() override;
  void row(const SocketRow& row) override { connections_.push_back({row}); }
  void counted(const SocketCount& /*count*/) override {}  // a dump does neither
  void port_in_use(std::uint16_t /*port*/) override {}
  /// All have come. O(n log n).
  void complete();

  [[nodiscard]] std::vector<Connection>& all() { return connections_; }
  /// The one with the addresses of `socket`, if there is one: this is its first subflow then.
  [[nodiscard]] Connection* with_ends_of(const SocketRow& socket);
  /// Whether one has this inode, which all its subflows share: mptcp_subflow_create_socket() gives
  /// it to those that the kernel makes, mptcp_sock_graft() to those that come in.
  [[nodiscard]] bool has_inode(std::uint32_t inode) const;

 private:
  std::vector<Connection> connections_;  ///< by their ends, once complete
  std::vector<std::uint32_t> inodes_;    ///< likewise in order, without 0
};

/// Hands on the sockets of TCP, and each MPTCP connection once in place of its subflows, which are
/// sockets of TCP: state, queues and cookie of a connection show in none of them.
class SubflowsAsConnections final : public RowSink {
 public:
  /// `connections` are complete. All must outlive this.
  SubflowsAsConnections(MptcpConnections& connections, const SocketQuery& query, RowSink& sink)
      : connections_(connections), query_(query), sink_(sink) {}

  void restart() override { sink_.restart(); }
  void row(const SocketRow& row) override;
  void counted(const SocketCount& count) override { sink_.counted(count); }
  void port_in_use(std::uint16_t port) override { sink_.port_in_use(port); }
  /// All sockets of TCP have come: hands on the connections whose first subflow has gone.
  void finish();

 private:
  void hand_on(MptcpConnections::Connection& connection);

  MptcpConnections& connections_;
  const SocketQuery& query_;
  RowSink& sink_;
};

}  // namespace closewatch
