#include "closewatch/scan/pacer.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

constexpr double kOnePercent = 0.01;

TEST(Pacer, KeepsTheConfiguredIntervalWithinTheBudget) {
  Pacer pacer(10s, kOnePercent);
  EXPECT_EQ(pacer.after(0ms), 10s);
  EXPECT_EQ(pacer.after(100ms), 10s);
}

TEST(Pacer, StretchesToWholeSecondsBeyondIt) {
  Pacer pacer(10s, kOnePercent);
  EXPECT_EQ(pacer.after(101ms), 11s);
  EXPECT_EQ(pacer.after(2500ms), 250s);
}

TEST(Pacer, NeverExceedsTheBudget) {
  Pacer pacer(1500ms, kOnePercent);
  for (auto cpu = 1ms; cpu < 3000ms; cpu = cpu * 5 / 4 + 1ms) {
    const auto interval = pacer.after(cpu);
    EXPECT_LE(std::chrono::duration<double>(cpu) / interval, kOnePercent + 1e-9);
  }
}

TEST(Pacer, DoesNotWaverWithEachScan) {
  Pacer pacer(10s, kOnePercent);
  EXPECT_EQ(pacer.after(300ms), 30s);
  EXPECT_EQ(pacer.after(290ms), 30s);
  EXPECT_EQ(pacer.after(250ms), 30s);
  EXPECT_EQ(pacer.after(230ms), 23s);
}

TEST(Pacer, ComesBackToTheConfiguredInterval) {
  Pacer pacer(10s, kOnePercent);
  EXPECT_EQ(pacer.after(300ms), 30s);
  EXPECT_EQ(pacer.after(20ms), 10s);
  EXPECT_EQ(pacer.after(120ms), 12s);
  EXPECT_EQ(pacer.after(1ms), 10s);
}

}  // namespace
}  // namespace closewatch
