// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/client_network.h"

#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

std::string network_of_text(const char* client) { return network_of(std::string(client)); }

TEST(ClientNetwork, IsOneForAllAddressesOfAnIpv6Network) {
  EXPECT_EQ(network_of_text("2001:db8::1"), "2001:db8::/64");
  EXPECT_EQ(network_of_text("2001:db8::ffff:0:0:2"), "2001:db8::/64");
  EXPECT_EQ(network_of_text("2001:db8:0:1::1"), "2001:db8:0:1::/64");
  EXPECT_EQ(network_of(boost::asio::ip::make_address("fe80::1%lo")),
            boost::asio::ip::make_address("fe80::"));
}

TEST(ClientNetwork, IsTheAddressOfIpv4AndWhateverIsNone) {
  for (const auto* const client : {"10.0.0.1", "", "somebody"}) {
    EXPECT_EQ(network_of_text(client), client);
  }
  EXPECT_EQ(network_of(boost::asio::ip::make_address("10.0.0.1")),
            boost::asio::ip::make_address("10.0.0.1"));
}

}  // namespace
}  // namespace closewatch::http
