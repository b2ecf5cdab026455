// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/listen_address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

#include "closewatch/base/comma_separated.h"
#include "closewatch/base/whole_number.h"

namespace closewatch::http {
namespace {

constexpr std::string_view kUnix = "unix:";

bool is_address(int family, const std::string& host) {
  std::array<std::byte, sizeof(in6_addr)> address{};
  return ::inet_pton(family, host.c_str(), address.data()) == 1;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorKind::kMalformed, "'" + std::string(text) +
                                           "' is no address to listen on: write :PORT, IP:PORT, "
                                           "[IPv6]:PORT or unix:/PATH");
  };
  if (text.find('\0') != std::string_view::npos) return wrong();
  if (text.starts_with(kUnix)) {
    const auto path = text.substr(kUnix.size());
    if (!path.starts_with('/') || path.size() >= sizeof(sockaddr_un::sun_path)) return wrong();
    return ListenAddress{.path = std::string(path)};
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  ListenAddress address;
  const auto port = whole_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return wrong();
  address.port = *port;

  auto host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  address.host = host;
  const bool valid = bracketed ? is_address(AF_INET6, address.host)
                               : host.empty() || is_address(AF_INET, address.host);
  if (!valid) return wrong();
  return address;
}

Result<std::vector<ListenAddress>> parse_listen_addresses(std::string_view list) {
  std::vector<ListenAddress> addresses;
  for (const auto word : comma_separated(list)) {
    auto address = parse_listen_address(word);
    if (!address) return tl::unexpected(address.error());
    addresses.push_back(std::move(*address));
  }
  if (addresses.empty()) return fail(ErrorKind::kMalformed, "it takes an address");
  return addresses;
}

std::vector<ListenAddress> best_to_ask(std::vector<ListenAddress> addresses) {
  std::stable_partition(addresses.begin(), addresses.end(),
                        [](const ListenAddress& address) { return !address.path.empty(); });
  return addresses;
}

std::string to_text(const ListenAddress& address) {
  if (!address.path.empty()) return std::string(kUnix) + address.path;
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace closewatch::http
