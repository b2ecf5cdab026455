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

}  // namespace
}  // namespace closewatch
