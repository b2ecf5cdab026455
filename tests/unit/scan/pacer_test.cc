// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/pacer.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

constexpr double kOnePercent = 0.01;

/// After so many scans of the same cost.
std::chrono::nanoseconds after_many(Pacer& pacer, std::chrono::nanoseconds cpu, int scans = 40) {
  std::chrono::nanoseconds interval{};
  for (int scan = 0; scan < scans; ++scan) interval = pacer.after(cpu);
  return interval;
}

TEST(Pacer, KeepsTheConfiguredIntervalWithinTheBudget) {
  Pacer pacer(10s, kOnePercent, 60s);
  EXPECT_EQ(after_many(pacer, 0ms), 10s);
  EXPECT_EQ(after_many(pacer, 100ms), 10s);
  EXPECT_FALSE(pacer.over_budget());
}

TEST(Pacer, StretchesToWholeSecondsBeyondIt) {
  Pacer pacer(10s, kOnePercent, 1h);
  EXPECT_EQ(after_many(pacer, 101ms), 11s);
  EXPECT_EQ(after_many(pacer, 2500ms), 250s);
}

TEST(Pacer, IsNotStretchedByOneScanThatIsDearByAccident) {
  Pacer pacer(10s, kOnePercent, 60s);
  after_many(pacer, 50ms);
  EXPECT_EQ(pacer.after(1390ms), 10s);
  EXPECT_EQ(after_many(pacer, 50ms), 10s);
}

TEST(Pacer, IsStretchedALittleByAFirstScanThatIsDear) {
  Pacer pacer(10s, kOnePercent, 60s);
  EXPECT_EQ(pacer.after(1390ms), 14s);
  EXPECT_EQ(after_many(pacer, 50ms, 30), 10s);
}

TEST(Pacer, KeepsToTheBudgetOverTheWindow) {
  Pacer pacer(1500ms, kOnePercent, 1h);
  after_many(pacer, 1ms);
  for (auto cpu = 1ms; cpu < 3000ms; cpu = cpu * 5 / 4 + 1ms) {
    const auto interval = after_many(pacer, cpu, 400);
    EXPECT_LE(std::chrono::duration<double>(cpu) / interval, kOnePercent + 1e-9);
  }
}

TEST(Pacer, LetsTheBudgetGiveWayBeyondTheLongestInterval) {
  Pacer pacer(10s, kOnePercent, 60s);
  EXPECT_EQ(after_many(pacer, 599ms), 60s);
  EXPECT_FALSE(pacer.over_budget());
  EXPECT_EQ(after_many(pacer, 2700ms), 60s);
  EXPECT_TRUE(pacer.over_budget());
  EXPECT_EQ(after_many(pacer, 50ms), 10s);
  EXPECT_FALSE(pacer.over_budget());
}

TEST(Pacer, DoesNotWaverWithEachScan) {
  Pacer pacer(10s, kOnePercent, 60s);
  EXPECT_EQ(after_many(pacer, 300ms), 30s);
  EXPECT_EQ(after_many(pacer, 250ms), 30s);
  EXPECT_EQ(after_many(pacer, 230ms), 24s);
}

TEST(Pacer, ComesBackToTheConfiguredIntervalWithinTheWindow) {
  Pacer pacer(10s, kOnePercent, 60s);
  after_many(pacer, 5s);
  std::chrono::nanoseconds passed{};
  while (pacer.after(10ms) > 10s) passed += 60s;
  EXPECT_LE(passed, 6min);
}

}  // namespace
}  // namespace closewatch
