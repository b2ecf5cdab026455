// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/host_tally.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

SocketRow row(TcpState state, std::optional<std::uint64_t> cgroup) {
  SocketRow row;
  row.state = state;
  row.cgroup_id = cgroup;
  return row;
}

TEST(HostTally, GivesEachPodWhatItsCgroupsMade) {
  HostTally tally;
  tally.begin({{{10, 0}, {11, 1}}, {{20, 0}}});
  tally.restart();
  tally.row(row(TcpState::kCloseWait, 11));
  tally.row(row(TcpState::kListen, 20));
  tally.row(row(TcpState::kCloseWait, 15));
  EXPECT_EQ(tally.pod(0).sums().states.of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(tally.pod(0).close_wait().front().container, 1U);
  EXPECT_EQ(tally.pod(1).sums().states.of(TcpState::kListen), 1U);
  EXPECT_EQ(tally.node().sums().states.of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(tally.node().sums().states.total(), 1U);
}

TEST(HostTally, LeavesTheNodeWhatMayHaveLostItsCgroup) {
  HostTally tally;
  tally.begin({{{10, 0}}});
  tally.restart();
  tally.row(row(TcpState::kTimeWait, std::nullopt));
  tally.row(row(TcpState::kSynRecv, std::nullopt));
  tally.row(row(TcpState::kFinWait2, 10));
  EXPECT_EQ(tally.pod(0).sums().states.total(), 0U);
  EXPECT_EQ(tally.node().sums().states.total(), 3U);
}

TEST(HostTally, KnowsWhetherTheKernelNamesCgroups) {
  HostTally tally;
  tally.begin({{{10, 0}}});
  tally.restart();
  tally.row(row(TcpState::kListen, std::nullopt));
  tally.row(row(TcpState::kListen, kUnknownCgroup));
  EXPECT_FALSE(tally.saw_cgroup_id());
  tally.row(row(TcpState::kListen, 99));
  EXPECT_TRUE(tally.saw_cgroup_id());
}

TEST(HostTally, ForgetsEverythingAtRestart) {
  HostTally tally;
  tally.begin({{{10, 0}}});
  for (int i = 0; i < 2; ++i) {
    tally.restart();
    tally.row(row(TcpState::kCloseWait, 10));
    tally.row(row(TcpState::kCloseWait, 99));
  }
  EXPECT_EQ(tally.pod(0).sums().states.total(), 1U);
  EXPECT_EQ(tally.pod(0).close_wait().size(), 1U);
  EXPECT_EQ(tally.node().sums().states.total(), 1U);
}

TEST(HostTally, FindsAPodWhateverTheOrderOfCgroups) {
  HostTally tally;
  tally.begin({{{30, 0}, {10, 1}}, {{20, 0}, {5, 0}}});
  tally.restart();
  for (const std::uint64_t cgroup : {5U, 10U, 20U, 30U}) {
    tally.row(row(TcpState::kCloseWait, cgroup));
  }
  EXPECT_EQ(tally.pod(0).close_wait().size(), 2U);
  EXPECT_EQ(tally.pod(1).close_wait().size(), 2U);
  EXPECT_EQ(tally.pod(0).close_wait()[0].container, 1U);
  EXPECT_EQ(tally.pod(0).close_wait()[1].container, 0U);
  EXPECT_EQ(tally.node().sums().states.total(), 0U);
}

TEST(HostTally, KnowsOnlyThePodsOfThisScan) {
  HostTally tally;
  tally.begin({{{10, 0}}, {{20, 0}}});
  tally.begin({{{20, 0}}});
  tally.restart();
  tally.row(row(TcpState::kCloseWait, 10));
  tally.row(row(TcpState::kCloseWait, 20));
  EXPECT_EQ(tally.pod(0).close_wait().size(), 1U);
  EXPECT_EQ(tally.node().close_wait().size(), 1U);
}

}  // namespace
}  // namespace closewatch
