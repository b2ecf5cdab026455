#include "closewatch/http/listen_address.h"

#include <arpa/inet.h>

#include <array>

#include "closewatch/base/whole_number.h"

namespace closewatch::http {
namespace {

bool is_address(int family, const std::string& host) {
  std::array<std::byte, sizeof(in6_addr)> address{};
  return ::inet_pton(family, host.c_str(), address.data()) == 1;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorKind::kMalformed, "'" + std::string(text) +
                                           "' is no address to listen on: write :PORT, IP:PORT or "
                                           "[IPv6]:PORT");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find('\0') != std::string_view::npos) return wrong();
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

std::string to_text(const ListenAddress& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace closewatch::http
