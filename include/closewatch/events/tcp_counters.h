// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/events/tcp_event.h"

namespace closewatch {

/// Takes those counters that are `wanted` out of the text of /proc/PID/net/netstat or snmp
/// (netstat_seq_show() and snmp_seq_show_tcp_udp() in net/ipv4/proc.c): a line of names and one of
/// numbers, both of which begin with the name of their group. What the kernel does not have stays
/// as it was in `counts`. Pure.
///
/// Errors: kMalformed for a text without the group of TCP, and for one whose names and numbers are
/// not as many or whose numbers are none; then `counts` is as it was.
Result<void> parse_tcp_counters(std::string_view text, TcpCounterFile file,
                                const TcpEventSet& wanted, TcpEventCounts& counts);

}  // namespace closewatch
