// SPDX-License-Identifier: Apache-2.0
#include "kernel/proc_net_tcp.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;

const std::string kCloseWaitLine =
    "   3: 0100007F:1F90 0A00000A:A0B1 08 00000002:00000006 00:00000000 00000000  1000        0 4711 1 "
    "0000000000000000 20 4 30 10 -1";

TEST(ProcNetTcp, ALineIsARow) {
  const auto row = proc_net_tcp::parse_line(kCloseWaitLine);
  ASSERT_TRUE(row) << row.error().what;
  EXPECT_EQ(row->state, TcpState::kCloseWait);
  EXPECT_EQ(row->local.port, 8080);
  EXPECT_EQ(row->remote.port, 0xA0B1);
  EXPECT_EQ(row->local.address.family, AddressFamily::kIpv4);
  EXPECT_THAT(std::vector(row->local.address.bytes.begin(), row->local.address.bytes.begin() + 4),
              ElementsAre(127, 0, 0, 1));
  EXPECT_EQ(row->send_queue, 2U);
  EXPECT_EQ(row->receive_queue, 6U);
  EXPECT_EQ(row->inode, 4711U);
  EXPECT_FALSE(row->cgroup_id);
  EXPECT_FALSE(row->last_ack_received_ms);
}

TEST(ProcNetTcp, SixHasLongerAddresses) {
  const auto row = proc_net_tcp::parse_line(
      "   0: 00000000000000000000000001000000:1F90 0000000000000000FFFF00000100007F:0001 01 "
      "00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000");
  ASSERT_TRUE(row) << row.error().what;
  EXPECT_EQ(row->local.address.family, AddressFamily::kIpv6);
  EXPECT_EQ(row->local.address.bytes.back(), 1);
  EXPECT_EQ(row->remote.address.bytes.at(10), 0xFF);
  EXPECT_EQ(row->remote.address.bytes.at(12), 127);
}

TEST(ProcNetTcp, TheLimitOfAListenerIsNotKnown) {
  auto line = kCloseWaitLine;
  line.replace(line.find(" 08 "), 4, " 0A ");
  const auto row = proc_net_tcp::parse_line(line);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->send_queue, kNoAcceptLimit);
}

TEST(ProcNetTcp, IdentityIsOfTheTwoEnds) {
  const auto cookie = [](const std::string& from, const std::string& to) {
    auto line = kCloseWaitLine;
    line.replace(line.find(from), from.size(), to);
    return proc_net_tcp::parse_line(line)->cookie;
  };
  const auto first = cookie("4711", "4711");
  EXPECT_EQ(cookie("   3:", "   9:"), first);
  EXPECT_EQ(cookie("00000006", "00000001"), first);
  EXPECT_EQ(cookie("4711", "0000"), first);  // accept() gives the inode
  EXPECT_NE(cookie("A0B1", "A0B2"), first);
  EXPECT_NE(cookie("0100007F", "0200007F"), first);
}

TEST(ProcNetTcp, AnythingElseIsAnError) {
  for (std::size_t length = 0; length < kCloseWaitLine.find("4711"); ++length) {
    EXPECT_FALSE(proc_net_tcp::parse_line(std::string_view(kCloseWaitLine).substr(0, length)))
        << length;
  }
  for (const auto* const bad : {"08", "0100007F:1F90", "00000002:00000006", "1000", "4711"}) {
    auto line = kCloseWaitLine;
    line.replace(line.find(bad), std::string(bad).size(), "zz");
    EXPECT_FALSE(proc_net_tcp::parse_line(line)) << line;
  }
  auto line = kCloseWaitLine;
  line.replace(line.find(" 08 "), 4, " 0D ");
  EXPECT_FALSE(proc_net_tcp::parse_line(line)) << "13 is no state that is ever told";
}

}  // namespace
}  // namespace closewatch
