// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/tcp_traffic.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(TcpTraffic, IsTheLinesOfTcp) {
  const auto traffic = parse_tcp_traffic(
      "Ip: Forwarding\nIp: 1\nTcp: InSegs OutSegs\nTcp: 12 7\nUdp: InDatagrams\nUdp: 3\n", "");
  EXPECT_EQ(traffic.segments, "Tcp: InSegs OutSegs\nTcp: 12 7\n");
  EXPECT_FALSE(traffic.mptcp);
}

TEST(TcpTraffic, TellsWhetherThereWasMptcp) {
  const auto used = [](std::string_view netstat) { return parse_tcp_traffic("", netstat).mptcp; };
  EXPECT_FALSE(used("TcpExt: A B\nTcpExt: 1 2\n"));
  EXPECT_FALSE(used("TcpExt: A\nTcpExt: 9\nMPTcpExt: MPCapableSYNRX Rx2\nMPTcpExt: 0 0\n"));
  EXPECT_TRUE(used("TcpExt: A\nTcpExt: 0\nMPTcpExt: MPCapableSYNRX Rx2\nMPTcpExt: 0 10"));
  EXPECT_FALSE(used("MPTcpExt:"));
  EXPECT_FALSE(used(""));
}

}  // namespace
}  // namespace closewatch
