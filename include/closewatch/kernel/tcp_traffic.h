// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// What a network namespace's TCP has done so far, by its own counters.
struct TcpTraffic {
  /// The lines "Tcp:" of its /proc/net/snmp as the kernel writes them (snmp_seq_show() in
  /// net/ipv4/proc.c). No connection begins without a segment, so where two of them are equal none
  /// has begun in between.
  std::string segments;
  /// It has had to do with MPTCP: one of the counters MPTcpExt in its /proc/net/netstat is not 0
  /// (mptcp_seq_show() in net/mptcp/mib.c).
  bool mptcp = false;
};

/// The calling thread enters the namespace for it. Errors: kDenied without CAP_SYS_ADMIN, kSystem.
Result<TcpTraffic> tcp_traffic(int network_namespace);

/// Out of these files. Pure.
TcpTraffic parse_tcp_traffic(std::string_view snmp, std::string_view netstat);

}  // namespace closewatch
