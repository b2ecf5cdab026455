// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_event_history.h"

#include <vector>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

constexpr auto kEvent = TcpEvent::kListenDrops;

NamespaceEvents events(std::uint64_t cookie, std::uint64_t count) {
  NamespaceEvents found{{cookie, {}}, {}};
  found.counts.set(kEvent, count);
  return found;
}

class TcpEventHistoryTest : public ::testing::Test {
 protected:
  std::optional<std::uint64_t> after(const std::vector<NamespaceEvents>& spaces) {
    history_.observe(spaces);
    return history_.last()->of(kEvent);
  }

  TcpEventHistory history_;
};

TEST_F(TcpEventHistoryTest, IsTheKernelsOwnCountOfOneNamespace) {
  EXPECT_TRUE(history_.is_wanted());
  EXPECT_FALSE(history_.last());
  EXPECT_EQ(after({events(1, 40)}), 40U);  // whatever was there before the agent
  EXPECT_FALSE(history_.is_wanted());
  EXPECT_EQ(after({events(1, 41)}), 41U);
}

TEST_F(TcpEventHistoryTest, IsTheSumOfSeveral) {
  EXPECT_EQ(after({events(1, 40), events(2, 2)}), 42U);
}

TEST_F(TcpEventHistoryTest, KeepsWhatOneHadThatHasGone) {
  after({events(1, 40), events(2, 2)});
  EXPECT_EQ(after({events(1, 41)}), 43U);
  EXPECT_EQ(after({events(1, 41), events(3, 5)}), 48U);
}

TEST_F(TcpEventHistoryTest, CountsOneOnceThatWasAwayForAWhile) {
  after({events(1, 40), events(2, 2)});
  after({events(1, 40)});
  EXPECT_EQ(after({events(1, 40), events(2, 3)}), 43U);
}

TEST_F(TcpEventHistoryTest, TakesOneThatHasCountedLessForAnother) {
  after({events(1, 40)});
  EXPECT_EQ(after({events(1, 3)}), 43U);
  EXPECT_EQ(after({events(1, 4)}), 44U);
  EXPECT_EQ(after({}), 44U);
}

TEST_F(TcpEventHistoryTest, TellsNothingAfterAFailureAndGoesOnWhereItWas) {
  after({events(1, 40), events(2, 2)});
  history_.fail();
  EXPECT_FALSE(history_.last());
  EXPECT_FALSE(history_.is_wanted());
  EXPECT_EQ(after({events(1, 41)}), 43U);
}

TEST_F(TcpEventHistoryTest, WhatIsNotKnownOfOneHasNoSum) {
  after({events(1, 40), {{2, {}}, {}}});
  EXPECT_EQ(history_.last()->of(kEvent), std::nullopt);
  EXPECT_EQ(history_.last()->of(TcpEvent::kResetsSent), std::nullopt);
}

TEST_F(TcpEventHistoryTest, NeverFallsHoweverManyComeAndGo) {
  std::uint64_t sum = 0;
  for (std::uint64_t cookie = 1; cookie <= 3 * TcpEventHistory::kMostKnown; ++cookie) {
    sum += cookie % 3;
    EXPECT_EQ(after({events(cookie, cookie % 3)}), sum);
  }
  // The last of them is still told from others.
  EXPECT_EQ(after({events(3 * TcpEventHistory::kMostKnown - 1, 10)}), sum + 8);
}

}  // namespace
}  // namespace closewatch
