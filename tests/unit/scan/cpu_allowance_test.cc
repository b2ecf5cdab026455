// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/cpu_allowance.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using std::chrono::seconds;

const CpuAllowance::Time kStart{seconds(1000)};

TEST(CpuAllowance, IsThatOfFiveMinutesAtTheStart) {
  CpuAllowance allowance(0.01, kStart);
  allowance.use(kStart, std::chrono::milliseconds(2999));
  EXPECT_TRUE(allowance.has_some(kStart));
  allowance.use(kStart, std::chrono::milliseconds(1));
  EXPECT_FALSE(allowance.has_some(kStart));
}

TEST(CpuAllowance, IsPaidBackBeforeThereIsSomeAgain) {
  CpuAllowance allowance(0.01, kStart);
  allowance.use(kStart, seconds(4));  // 1 s too much, which takes 100 s
  EXPECT_FALSE(allowance.has_some(kStart + seconds(99)));
  EXPECT_TRUE(allowance.has_some(kStart + seconds(101)));
}

TEST(CpuAllowance, IsSavedUpForFiveMinutesAndNoLonger) {
  CpuAllowance allowance(0.01, kStart);
  const auto later = kStart + std::chrono::hours(24);
  allowance.use(later, seconds(3));
  EXPECT_FALSE(allowance.has_some(later));
}

}  // namespace
}  // namespace closewatch
