// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/descriptor_history.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

class DescriptorHistoryTest : public ::testing::Test {
 protected:
  DescriptorHistoryTest() { pod_.containers = {{"id-pause", "", {}}, {"id-app", "app", {}}}; }

  /// Half a minute later.
  const ContainerDescriptors& later(std::uint64_t open, pid_t pid = 7) {
    now_ += 30s;
    history_.observe(
        now_, pod_,
        std::vector<DescriptorUse>{{0, 1, 1024, 6, 50, "pause"}, {1, open, 1000, pid, 60, "java"}});
    return history_.last().front();
  }

  Pod pod_;
  DescriptorHistory history_;
  std::chrono::steady_clock::time_point now_{1h};
};

TEST_F(DescriptorHistoryTest, TellsOfContainersThatHaveAName) {
  later(40);
  ASSERT_EQ(history_.last().size(), 1U);
  EXPECT_EQ(history_.last().front(),
            (ContainerDescriptors{"app", 40, 1000, 7, "java", std::nullopt}));
}

TEST_F(DescriptorHistoryTest, WithoutNamesIsOfAllTogether) {
  pod_.containers[1].name.clear();
  later(40);
  ASSERT_EQ(history_.last().size(), 1U);
  EXPECT_EQ(history_.last().front().container, "unknown");
  EXPECT_EQ(history_.last().front().open, 40U);
  pod_.containers.clear();  // and without containers
  history_.observe(now_, pod_, std::vector<DescriptorUse>{{0, 9, 1000, 7, 60, "java"}});
  EXPECT_EQ(history_.last().front().container, "unknown");
}

TEST_F(DescriptorHistoryTest, TellsTheTimeLeftOfWhatGrowsAllTheWhile) {
  for (std::uint64_t open = 100; open < 140; open += 10)
    EXPECT_EQ(later(open).time_left, std::nullopt);
  EXPECT_EQ(later(140).time_left, 2580s);  // 860 more at one in three seconds
}

TEST_F(DescriptorHistoryTest, WhatGoesUpAndDownHasNoEnd) {
  for (int i = 0; i < 3; ++i) {
    for (const auto open : {100U, 300U, 200U, 100U}) EXPECT_EQ(later(open).time_left, std::nullopt);
  }
  EXPECT_EQ(later(300).time_left, std::nullopt);
}

TEST_F(DescriptorHistoryTest, AnotherProcessBeginsAnew) {
  for (std::uint64_t open = 100; open <= 200; open += 10) later(open);
  EXPECT_NE(history_.last().front().time_left, std::nullopt);
  EXPECT_EQ(later(210, 8).time_left, std::nullopt);
}

TEST_F(DescriptorHistoryTest, FullIsFull) { EXPECT_EQ(later(1000).time_left, 0s); }

TEST_F(DescriptorHistoryTest, AFailedReadingLeavesNothing) {
  EXPECT_TRUE(history_.is_wanted());
  later(40);
  EXPECT_FALSE(history_.is_wanted());
  const auto limits = history_.limits();
  history_.fail(false);
  EXPECT_TRUE(history_.last().empty());
  EXPECT_EQ(history_.limits(), limits);
  history_.fail(true);
  EXPECT_NE(history_.limits(), limits);
}

TEST(NearerToLimit, IsWhoHasLessTimeThenWhoHasUsedMore) {
  const ContainerDescriptors soon{"a", 10, 1000, 1, "", 60s};
  const ContainerDescriptors later{"b", 900, 1000, 1, "", 90s};
  const ContainerDescriptors fuller{"c", 950, 1000, 1, "", std::nullopt};
  const ContainerDescriptors free{"d", 9999, std::nullopt, 1, "", std::nullopt};
  EXPECT_TRUE(is_nearer_to_limit(soon, later));
  EXPECT_TRUE(is_nearer_to_limit(later, fuller));
  EXPECT_TRUE(is_nearer_to_limit(fuller, free));
  EXPECT_FALSE(is_nearer_to_limit(free, fuller));
  EXPECT_FALSE(is_nearer_to_limit(free, free));
}

TEST(MergedDescriptors, AreThoseNearerToTheLimitOfEachContainer) {
  const ContainerDescriptors fuller{"app", 90, 100, 1, "", std::nullopt};
  const ContainerDescriptors other{"zz", 5, 100, 1, "", std::nullopt};
  EXPECT_EQ(merged_descriptors({other, {"app", 95, 1000, 2, "", std::nullopt}, fuller}),
            (std::vector{fuller, other}));
}

}  // namespace
}  // namespace closewatch
