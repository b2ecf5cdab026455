#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch::http {

/// Where to listen. An empty host means every address of the machine, IPv6 and IPv4.
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;  ///< 0: the kernel chooses

  bool operator==(const ListenAddress&) const = default;
};

/// ":10088", "127.0.0.1:10088", "[::1]:10088". Addresses only, no names: what a name resolves to
/// may change, and a server must not listen elsewhere then.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// The form that parse_listen_address() takes.
std::string to_text(const ListenAddress& address);

}  // namespace closewatch::http
