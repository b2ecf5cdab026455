#pragma once

#include <string>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// What TCP of a network namespace has sent and received so far: the lines "Tcp:" of its
/// /proc/net/snmp as the kernel writes them (snmp_seq_show() in net/ipv4/proc.c). No connection
/// begins without a segment, so where two of them are equal none has begun in between. The calling
/// thread enters the namespace for it. Errors: kDenied without CAP_SYS_ADMIN, kSystem.
Result<std::string> tcp_traffic(int network_namespace);

/// These lines of the file. Pure; empty when there are none.
std::string tcp_lines(std::string_view snmp);

}  // namespace closewatch
