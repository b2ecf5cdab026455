// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/trend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::Eq;
using Time = std::chrono::steady_clock::time_point;

constexpr auto kHolds = 30s;

/// What the last `count` minutes have, -1 for nobody counted.
std::vector<std::int64_t> last_minutes(const Trend& trend, std::size_t count) {
  const auto points = trend.points();
  std::vector<std::int64_t> values;
  for (auto i = points.size() - count; i < points.size(); ++i) {
    values.push_back(points.at(i) ? static_cast<std::int64_t>(*points.at(i)) : -1);
  }
  return values;
}

TEST(TrendTest, KnowsNothingBeforeItsFirstScan) {
  EXPECT_THAT(Trend().points(), Each(Eq(std::nullopt)));
}

TEST(TrendTest, TakesTheMostOfEachMinute) {
  Trend trend;
  trend.record(Time(10h), 3, kHolds);
  trend.record(Time(10h + 10s), 9, kHolds);
  trend.record(Time(10h + 20s), 4, kHolds);
  trend.record(Time(10h + 1min), 5, kHolds);
  EXPECT_EQ(last_minutes(trend, 3), (std::vector<std::int64_t>{-1, 9, 5}));
}

TEST(TrendTest, ZeroIsACountAndUnseenIsNone) {
  Trend trend;
  trend.record(Time(10h), 0, kHolds);
  trend.record(Time(10h + 1min), std::nullopt, kHolds);
  trend.record(Time(10h + 2min), 0, kHolds);
  EXPECT_EQ(last_minutes(trend, 3), (std::vector<std::int64_t>{0, -1, 0}));
}

TEST(TrendTest, OneGlimpseCountsForTheMinute) {
  Trend trend;
  trend.record(Time(10h), 7, kHolds);
  trend.record(Time(10h + 10s), std::nullopt, kHolds);
  EXPECT_EQ(last_minutes(trend, 1), (std::vector<std::int64_t>{7}));
}

TEST(TrendTest, ACountHoldsBetweenRareScansButNotForEver) {
  Trend trend;
  trend.record(Time(10h), 6, 15min);
  trend.record(Time(10h + 5min), 8, 15min);
  EXPECT_EQ(last_minutes(trend, 6), (std::vector<std::int64_t>{6, 6, 6, 6, 6, 8}));
  trend.record(Time(10h + 25min), 1, 15min);
  EXPECT_EQ(last_minutes(trend, 21),
            (std::vector<std::int64_t>{8,  -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                       -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}));
}

TEST(TrendTest, ForgetsWhatIsOlderThanAnHour) {
  Trend trend;
  for (int minute = 0; minute < 200; ++minute) {
    trend.record(Time(10h + std::chrono::minutes(minute)), static_cast<std::uint64_t>(minute),
                 2min);
  }
  const auto points = trend.points();
  EXPECT_EQ(points.front(), 140U);
  EXPECT_EQ(points.back(), 199U);
  trend.record(Time(20h), 5, kHolds);
  EXPECT_EQ(last_minutes(trend, 2), (std::vector<std::int64_t>{-1, 5}));
  EXPECT_EQ(trend.points().front(), std::nullopt);
}

TEST(TrendTest, AMonstrousCountIsNotTakenForUnseen) {
  Trend trend;
  trend.record(Time(10h), ~std::uint64_t{0}, kHolds);
  EXPECT_EQ(last_minutes(trend, 1), (std::vector<std::int64_t>{0xFFFF'FFFE}));
}

TEST(TrendTest, TakesTheMemoryThatIsDocumented) { EXPECT_EQ(sizeof(Trend), 256U); }

}  // namespace
}  // namespace closewatch
