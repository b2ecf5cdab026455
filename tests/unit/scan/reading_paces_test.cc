// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/reading_paces.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

std::chrono::nanoseconds wait_after(ReadingPace pace, std::chrono::milliseconds cpu) {
  pace.read({}, cpu);
  return pace.wait();
}

TEST(ReadingPaces, OfWhatIsCheapAreTheirOwn) {
  const auto paces = reading_paces(0.01, 10s);
  EXPECT_EQ(wait_after(paces.descriptors, 3ms), 30s);
  EXPECT_EQ(wait_after(paces.held, 6ms), 60s);
  EXPECT_EQ(wait_after(paces.events, 3ms), 30s);
}

TEST(ReadingPaces, AreThriftyEachUpToItsOwnLongest) {
  const auto paces = reading_paces(0.01, 10s);  // 10 ms each 100 s are a hundredth of the budget
  EXPECT_EQ(wait_after(paces.descriptors, 4ms), 40s);
  EXPECT_EQ(wait_after(paces.descriptors, 100ms), 1min);
  EXPECT_EQ(wait_after(paces.held, 10ms), 100s);
  EXPECT_EQ(wait_after(paces.held, 100ms), 5min);
  EXPECT_EQ(wait_after(paces.events, 10ms), 100s);
  EXPECT_EQ(wait_after(paces.events, 100ms), 2min);
}

TEST(ReadingPaces, NoneTakesMoreThanAQuarterOfTheBudget) {
  const auto paces = reading_paces(0.01, 10s);
  for (const auto& pace : {paces.descriptors, paces.held, paces.events}) {
    EXPECT_EQ(wait_after(pace, 1s), 400s);
  }
}

TEST(ReadingPaces, HeldSocketsAreLookedForSoonerWhereScansAreOftener) {
  EXPECT_EQ(wait_after(reading_paces(0.01, 2s).held, 1ms), 12s);
  EXPECT_EQ(wait_after(reading_paces(0.01, 60s).held, 1ms), 60s);
}

}  // namespace
}  // namespace closewatch
