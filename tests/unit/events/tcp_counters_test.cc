// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_counters.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

constexpr const char* kNetstat =
    "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeouts\n"
    "TcpExt: 1 18446744073709551615 30 4\n"
    "IpExt: InNoRoutes ListenDrops\n"
    "IpExt: 0 77\n";
constexpr const char* kSnmp =
    "Ip: Forwarding DefaultTTL\n"
    "Ip: 1 64\n"
    "IcmpMsg: OutType3\n"
    "IcmpMsg: 9\n"
    "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens EstabResets OutRsts\n"
    "Tcp: 1 200 120000 -1 5 6 7\n"
    "Udp: InDatagrams\n"
    "Udp: 3\n";

TcpEventSet all_events() {
  TcpEventSet set;
  for (const auto event : kTcpEvents) set.add(event);
  return set;
}

Result<TcpEventCounts> parse(const std::string& text, TcpCounterFile file,
                             const TcpEventSet& wanted = all_events()) {
  TcpEventCounts counts;
  if (auto done = parse_tcp_counters(text, file, wanted, counts); !done) {
    EXPECT_EQ(counts, TcpEventCounts());
    return tl::unexpected(done.error());
  }
  return counts;
}

TEST(TcpCounters, AreThoseUnderTheirNames) {
  const auto counts = parse(kNetstat, TcpCounterFile::kNetstat);
  ASSERT_TRUE(counts) << counts.error().what;
  EXPECT_EQ(counts->of(TcpEvent::kSynCookiesSent), 1U);
  EXPECT_EQ(counts->of(TcpEvent::kListenOverflows), 18'446'744'073'709'551'615U);
  EXPECT_EQ(counts->of(TcpEvent::kListenDrops), 30U);
  EXPECT_EQ(counts->of(TcpEvent::kRetransmissionTimeouts), 4U);
}

TEST(TcpCounters, OfTheOtherFileAreInAnotherGroup) {
  const auto counts = parse(kSnmp, TcpCounterFile::kSnmp);
  ASSERT_TRUE(counts) << counts.error().what;
  EXPECT_EQ(counts->of(TcpEvent::kActiveOpens), 5U);
  EXPECT_EQ(counts->of(TcpEvent::kEstablishedResets), 6U);
  EXPECT_EQ(counts->of(TcpEvent::kResetsSent), 7U);
}

TEST(TcpCounters, ThatThisKernelLacksAreNotKnown) {
  const auto counts = parse(kNetstat, TcpCounterFile::kNetstat);
  ASSERT_TRUE(counts) << counts.error().what;
  EXPECT_EQ(counts->of(TcpEvent::kReceiveQueueDrops), std::nullopt);
  EXPECT_EQ(counts->of(TcpEvent::kResetsSent), std::nullopt);
}

TEST(TcpCounters, ThatNobodyWantsAreNotLookedAt) {
  TcpEventSet wanted;
  wanted.add(TcpEvent::kListenDrops);
  const auto counts = parse("TcpExt: ListenOverflows ListenDrops\nTcpExt: many 2\n",
                            TcpCounterFile::kNetstat, wanted);
  ASSERT_TRUE(counts) << counts.error().what;
  EXPECT_EQ(counts->of(TcpEvent::kListenDrops), 2U);
  EXPECT_EQ(counts->of(TcpEvent::kListenOverflows), std::nullopt);
}

TEST(TcpCounters, AreNotGuessed) {
  for (const auto* const wrong :
       {"", "\n", "TcpExt: ListenDrops\n", "TcpExt: ListenDrops", "TcpExt:\nTcpExt:\n",
        "IpExt: InNoRoutes\nIpExt: 1\n", "TcpExt: ListenDrops\nIpExt: 1\n",
        "TcpExt: ListenDrops TCPTimeouts\nTcpExt: 1\n", "TcpExt: ListenDrops\nTcpExt: 1 2\n",
        "TcpExt: ListenDrops\nTcpExt: -1\n", "TcpExt: ListenDrops\nTcpExt: 1x\n",
        "TcpExt: ListenDrops\nTcpExt: 18446744073709551616\n", "TcpExt: ListenDrops\nTcpExt: \n",
        "TcpExt: ListenDrops TCPTimeouts\nTcpExt: 1  2\n"}) {
    const auto counts = parse(wrong, TcpCounterFile::kNetstat);
    ASSERT_FALSE(counts) << wrong;
    EXPECT_EQ(counts.error().kind, ErrorKind::kMalformed);
    EXPECT_THAT(counts.error().what, ::testing::HasSubstr("TcpExt"));
  }
}

TEST(TcpCounters, OfThisKernelAreAllThere) {
  TcpEventCounts counts;
  for (const auto& [file, path] :
       {std::pair(TcpCounterFile::kNetstat, "/proc/thread-self/net/netstat"),
        std::pair(TcpCounterFile::kSnmp, "/proc/thread-self/net/snmp")}) {
    std::string text;
    ASSERT_TRUE(read_file_at(kWorkingDirectory, path, text));
    const auto done = parse_tcp_counters(text, file, all_events(), counts);
    ASSERT_TRUE(done) << done.error().what;
  }
  for (const auto event : kTcpEvents) {
    EXPECT_NE(counts.of(event), std::nullopt) << describe(event).counter;
  }
}

}  // namespace
}  // namespace closewatch
