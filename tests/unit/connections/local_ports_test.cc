// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/local_ports.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(LocalPorts, AreARangeWithBothItsEnds) {
  const auto ports = parse_local_ports("32768\t60999\n", "\n");
  ASSERT_TRUE(ports) << ports.error().what;
  EXPECT_EQ(ports->count(), 28'232U);
  EXPECT_TRUE(ports->test(32'768));
  EXPECT_TRUE(ports->test(60'999));
  EXPECT_FALSE(ports->test(32'767));
  EXPECT_FALSE(ports->test(61'000));
}

TEST(LocalPorts, MayBeAll) {
  const auto ports = parse_local_ports("0\t65535\n", "\n");
  ASSERT_TRUE(ports) << ports.error().what;
  EXPECT_EQ(ports->count(), 65'536U);
}

TEST(LocalPorts, AreWithoutThoseThatAreReserved) {
  const auto ports = parse_local_ports("100\t199\n", "8,110-119,150,190-65535\n");
  ASSERT_TRUE(ports) << ports.error().what;
  EXPECT_EQ(ports->count(), 79U);
  EXPECT_FALSE(ports->test(110));
  EXPECT_FALSE(ports->test(119));
  EXPECT_FALSE(ports->test(150));
  EXPECT_FALSE(ports->test(199));
  EXPECT_TRUE(ports->test(120));
}

TEST(LocalPorts, AreNotGuessed) {
  for (const auto* const range : {"", "\n", "32768\n60999", "32768 60999\n", "60999\t32768\n",
                                  "-1\t60999\n", "1\t65536\n", "1\t2\t3\n", "1\t2", "many\t2\n"}) {
    EXPECT_EQ(parse_local_ports(range, "\n").error().kind, ErrorKind::kMalformed) << range;
  }
  for (const auto* const reserved :
       {"", ",\n", "1,\n", "1-\n", "9-1\n", "1 2\n", "1\n\n", "65536\n", "x\n"}) {
    EXPECT_EQ(parse_local_ports("1\t9\n", reserved).error().kind, ErrorKind::kMalformed)
        << reserved;
  }
}

}  // namespace
}  // namespace closewatch
