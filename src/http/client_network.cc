// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/client_network.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace closewatch::http {

namespace ip = boost::asio::ip;

ip::address network_of(const ip::address& client) {
  if (!client.is_v6()) return client;
  constexpr std::size_t kNetwork = 8;  // bytes
  auto bytes = client.to_v6().to_bytes();
  std::fill(bytes.begin() + kNetwork, bytes.end(), std::uint8_t{0});
  return ip::address_v6(bytes);
}

std::string network_of(const std::string& client) {
  boost::system::error_code error;
  const auto address = ip::make_address(client, error);
  if (error || !address.is_v6()) return client;
  return network_of(address).to_string() + "/64";
}

}  // namespace closewatch::http
