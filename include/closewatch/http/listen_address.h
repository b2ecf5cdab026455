// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"

namespace closewatch::http {

/// Where to listen. An empty host means every address of the machine, IPv6 and IPv4.
struct ListenAddress {
  std::string host{};
  std::uint16_t port = 0;  ///< 0: the kernel chooses
  std::string path{};      ///< of a UNIX socket; empty: it is none

  bool operator==(const ListenAddress&) const = default;
};

/// ":10088", "127.0.0.1:10088", "[::1]:10088", "unix:/run/closewatch.sock". Addresses only, no
/// names: what a name resolves to may change, and a server must not listen elsewhere then.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// One at least, by commas.
Result<std::vector<ListenAddress>> parse_listen_addresses(std::string_view list);

/// As a program of the same machine asks: UNIX sockets first, which want neither TLS nor a
/// password.
std::vector<ListenAddress> best_to_ask(std::vector<ListenAddress> addresses);

/// The form that parse_listen_address() takes.
std::string to_text(const ListenAddress& address);

}  // namespace closewatch::http
