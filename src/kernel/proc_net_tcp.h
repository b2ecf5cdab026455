// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_source.h"

/// The text of /proc/PID/net/tcp and tcp6, pure: lines in, rows or an error out. Format:
/// tcp4_seq_show() in net/ipv4/tcp_ipv4.c and tcp6_seq_show() in net/ipv6/tcp_ipv6.c.
namespace closewatch::proc_net_tcp {

/// The row of one line that is not the heading, without its line break. The family is told by the
/// length of the addresses.
///
/// The text has neither a cookie nor a cgroup nor an age: `cookie` is made of addresses and
/// ports, which together no two sockets have at a time (the inode comes only with accept()). For
/// LISTEN it does not tell how many connections may wait: `send_queue` is kNoAcceptLimit. Errors:
/// kMalformed.
Result<SocketRow> parse_line(std::string_view line);

}  // namespace closewatch::proc_net_tcp
