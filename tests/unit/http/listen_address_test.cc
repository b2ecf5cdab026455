// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/listen_address.h"

#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

TEST(ListenAddress, TakesPortsAndAddresses) {
  EXPECT_EQ(parse_listen_address(":10088"), (ListenAddress{"", 10088}));
  EXPECT_EQ(parse_listen_address("127.0.0.1:80"), (ListenAddress{"127.0.0.1", 80}));
  EXPECT_EQ(parse_listen_address("[::1]:0"), (ListenAddress{"::1", 0}));
  EXPECT_EQ(parse_listen_address("unix:/run/a.sock"), (ListenAddress{.path = "/run/a.sock"}));
}

TEST(ListenAddress, RefusesAnythingElse) {
  for (const auto* const wrong :
       {"", "80", ":", ":x", ":65536", ":-1", "localhost:80", "::1:80", "[::1]", "[127.0.0.1]:80",
        "1.2.3:80", ":80 ", "unix:", "unix:run/a.sock", "unix:@name"}) {
    EXPECT_FALSE(parse_listen_address(wrong)) << wrong;
  }
  using namespace std::string_view_literals;
  EXPECT_FALSE(parse_listen_address("127.0.0.1\0evil:80"sv)) << "inet_pton() would not see it";
  EXPECT_FALSE(parse_listen_address("unix:/" + std::string(107, 'x'))) << "unix(7): 108 bytes";
}

TEST(ListenAddress, IsOneOfAListThatIsNotEmpty) {
  EXPECT_EQ(parse_listen_addresses(":1, unix:/a"),
            (std::vector<ListenAddress>{{"", 1}, {.path = "/a"}}));
  EXPECT_FALSE(parse_listen_addresses(""));
  EXPECT_FALSE(parse_listen_addresses(":1,"));
}

TEST(ListenAddress, IsBestAskedOverAFile) {
  EXPECT_EQ(best_to_ask({{"", 1}, {.path = "/a"}, {"::1", 2}, {.path = "/b"}}),
            (std::vector<ListenAddress>{{.path = "/a"}, {.path = "/b"}, {"", 1}, {"::1", 2}}));
}

TEST(ListenAddress, IsWrittenAsItIsRead) {
  for (const auto* const text : {":10088", "127.0.0.1:80", "[::1]:443", "unix:/run/a"}) {
    EXPECT_EQ(to_text(*parse_listen_address(text)), text);
  }
}

}  // namespace
}  // namespace closewatch::http
