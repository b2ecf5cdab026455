// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// One bit for each port.
using PortSet = std::bitset<65536>;

/// The ports that the kernel chooses from for who connects and has bound to none: each network
/// namespace has its own. To one destination no port can be used twice from one address. Pure.
///
/// `range` is the text of net.ipv4.ip_local_port_range ("32768\t60999"), `reserved` that of
/// net.ipv4.ip_local_reserved_ports ("8080,9148-9150", or nothing), whose ports it passes over
/// (inet_is_local_reserved_port() in include/net/ip.h). kMalformed for anything else.
Result<PortSet> parse_local_ports(std::string_view range, std::string_view reserved);

}  // namespace closewatch
