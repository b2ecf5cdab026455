// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "closewatch/kernel/socket_source.h"
#include "kernel/inet_diag_codec.h"
#include "kernel/mptcp_connections.h"
#include "kernel/netlink_channel.h"
#include "kernel/told_once.h"

namespace closewatch {

/// Reads sockets by inet_diag dumps, namespace by namespace. Each read walks the kernel's table of
/// all namespaces once: O(hash buckets + all sockets of the machine). A netlink socket lives for
/// one reading only, as it would keep a deleted pod's namespace alive.
///
/// Where the kernel refuses the dump of both families, it asks for each family alone, from then on.
/// Likewise it asks no more for MPTCP's connections once they were refused. Their dump walks
/// MPTCP's own table, of 65,536 buckets at most.
///
/// The kernel does not tell when a bucket of its table has changed between two pieces of a dump: a
/// socket that was there all the time may be missed then, but none is handed over twice (see
/// ToldOnce).
class InetDiagSource final : public SocketSource {
 public:
  /// How often an interrupted dump is asked for again before the pod counts as incomplete.
  static constexpr unsigned kMaxRepeats = 3;

  explicit InetDiagSource(std::unique_ptr<NetlinkOpener> opener);

  void begin_scan(std::optional<int> /*split*/) override {}  // it keeps nothing
  Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                             RowSink& sink) override;

 private:
  Result<SocketReading> read_once(int network_namespace, const SocketQuery& query, RowSink& sink);
  Result<void> dump_mptcp(NetlinkChannel& channel, const SocketQuery& query);
  Result<void> dump_tcp(NetlinkChannel& channel, const SocketQuery& query, RowSink& sink);
  Result<void> dump_each_family(NetlinkChannel& channel, const SocketQuery& query, RowSink& sink);
  Result<void> dump(NetlinkChannel& channel, inet_diag::Dump kind, const SocketQuery& query,
                    RowSink& sink);
  Result<void> receive_all(NetlinkChannel& channel, const inet_diag::Exchange& exchange,
                           RowSink& sink);

  std::unique_ptr<NetlinkOpener> opener_;
  std::vector<std::byte> buffer_;
  RecentCookies seen_;
  MptcpConnections mptcp_;
  std::uint32_t sequence_ = 0;
  bool both_families_refused_ = false;
  bool mptcp_refused_ = false;
};

}  // namespace closewatch
