// SPDX-License-Identifier: Apache-2.0
#include "http/clients.h"

#include <netinet/in.h>

#include <cstring>

#include "closewatch/http/client_network.h"

namespace closewatch::http {
namespace {

namespace ip = boost::asio::ip;

ip::address address_of(const boost::asio::generic::stream_protocol::endpoint& peer) {
  if (peer.data()->sa_family == AF_INET) {
    const auto& ipv4 = *reinterpret_cast<const sockaddr_in*>(peer.data());
    return ip::address_v4(ntohl(ipv4.sin_addr.s_addr));
  }
  if (peer.data()->sa_family != AF_INET6) return {};
  const auto& ipv6 = *reinterpret_cast<const sockaddr_in6*>(peer.data());
  ip::address_v6::bytes_type bytes{};
  std::memcpy(bytes.data(), &ipv6.sin6_addr, bytes.size());
  const ip::address_v6 address(bytes);
  if (!address.is_v4_mapped()) return address;
  return ip::make_address_v4(ip::v4_mapped, address);
}

}  // namespace

Client::Client(const boost::asio::generic::stream_protocol::endpoint& peer)
    : address(address_of(peer)), network(network_of(address)) {}

}  // namespace closewatch::http
