// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/reading_pace.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

TEST(ReadingPace, IsDueAtFirstAndThenAfterItsInterval) {
  ReadingPace pace(60s, 0.01);
  EXPECT_TRUE(pace.is_due(Time(1h)));
  EXPECT_EQ(pace.rate(), 0);
  pace.read(Time(1h), 6ms);
  EXPECT_FALSE(pace.is_due(Time(1h + 58s)));
  EXPECT_TRUE(pace.is_due(Time(1h + 59s)));  // a scan may begin a moment early
  EXPECT_DOUBLE_EQ(pace.rate(), 0.0001);
}

TEST(ReadingPace, WaitsLongerForWhatCostsMoreThanItsShare) {
  ReadingPace pace(60s, 0.01);
  pace.read(Time(1h), 1200ms);
  EXPECT_EQ(pace.wait(), 120s);
  EXPECT_FALSE(pace.is_due(Time(1h + 118s)));
  EXPECT_DOUBLE_EQ(pace.rate(), 0.01);
}

TEST(ReadingPace, IsThriftyForAsLongAsThatIsNotTooLong) {
  ReadingPace pace(1min, 0.002, ReadingPace::Thrift{0.000'1, 5min});
  const auto wait_after = [&](std::chrono::milliseconds cpu) {
    pace.read({}, cpu);
    return pace.wait();
  };
  EXPECT_EQ(wait_after(5ms), 60s);
  EXPECT_EQ(wait_after(16ms), 160s);
  EXPECT_EQ(wait_after(100ms), 300s);
  EXPECT_EQ(wait_after(800ms), 400s);
}

}  // namespace
}  // namespace closewatch
