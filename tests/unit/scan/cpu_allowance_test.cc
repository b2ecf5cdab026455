// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/cpu_allowance.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

const CpuAllowance::Time kStart{1000s};

TEST(CpuAllowance, IsThatOfFiveMinutesAtTheStart) {
  CpuAllowance allowance(0.01, kStart);
  allowance.use(kStart, 2999ms);
  EXPECT_TRUE(allowance.has_some(kStart));
  allowance.use(kStart, 1ms);
  EXPECT_FALSE(allowance.has_some(kStart));
}

TEST(CpuAllowance, IsPaidBackBeforeThereIsSomeAgain) {
  CpuAllowance allowance(0.01, kStart);
  allowance.use(kStart, 4s);  // 1 s too much, which takes 100 s
  EXPECT_FALSE(allowance.has_some(kStart + 99s));
  EXPECT_TRUE(allowance.has_some(kStart + 101s));
}

TEST(CpuAllowance, IsSavedUpForFiveMinutesAndNoLonger) {
  CpuAllowance allowance(0.01, kStart);
  const auto later = kStart + 24h;
  allowance.use(later, 3s);
  EXPECT_FALSE(allowance.has_some(later));
}

}  // namespace
}  // namespace closewatch
