// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/engine_policy.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

constexpr auto kInetDiag = Engine::kInetDiag;
constexpr auto kBpf = Engine::kBpf;

/// A tenth of 1 % of 10 s is 10 ms.
class EnginePolicyTest : public ::testing::Test {
 protected:
  Engine read(Engine used, std::chrono::nanoseconds cpu,
              std::optional<std::chrono::nanoseconds> by_inet_diag = {}) {
    now_ += 10s;
    return policy_.after(used, cpu, by_inet_diag, now_);
  }

  EnginePolicy policy_{10s, 0.01};
  std::chrono::steady_clock::time_point now_;
};

TEST_F(EnginePolicyTest, InetDiagReadsWhileItTakesNoMoreThanATenthOfTheBudget) {
  for (int scan = 0; scan < 100; ++scan) EXPECT_EQ(read(kInetDiag, 10ms), kInetDiag);
}

TEST_F(EnginePolicyTest, BpfTakesOverWhenItTakesMore) {
  EXPECT_EQ(read(kInetDiag, 11ms), kInetDiag);
  EXPECT_EQ(read(kInetDiag, 11ms), kInetDiag);
  EXPECT_EQ(read(kInetDiag, 11ms), kBpf);
}

TEST_F(EnginePolicyTest, AScanThatIsDearByAccidentChangesNothing) {
  for (int scan = 0; scan < 30; ++scan) {
    EXPECT_EQ(read(kInetDiag, scan % 3 == 0 ? 90ms : 5ms), kInetDiag);
  }
}

TEST_F(EnginePolicyTest, WhatTakesTheWholeBudgetIsChangedAtOnce) {
  EXPECT_EQ(read(kInetDiag, 101ms), kBpf);
}

TEST_F(EnginePolicyTest, InetDiagComesBackAfterTenMinutesInWhichItWouldHaveBeenCheap) {
  EXPECT_EQ(read(kBpf, 1ms, 5ms), kBpf);
  const auto since = now_;
  while (read(kBpf, 1ms, 5ms) == kBpf) EXPECT_LT(now_ - since, 11min);
  EXPECT_EQ(now_ - since, 10min);
}

TEST_F(EnginePolicyTest, BpfStaysWhereInetDiagWouldBeDearOrNobodyKnows) {
  for (int scan = 0; scan < 200; ++scan) {
    EXPECT_EQ(read(kBpf, 1ms, scan % 59 == 0 ? 6ms : 5ms), kBpf);
  }
  for (int scan = 0; scan < 200; ++scan) EXPECT_EQ(read(kBpf, 1ms), kBpf);
}

TEST_F(EnginePolicyTest, InetDiagGoesOnWhereBpfCannotBeHad) {
  policy_.refuse_bpf();
  for (int scan = 0; scan < 10; ++scan) EXPECT_EQ(read(kInetDiag, 1s), kInetDiag);
}

}  // namespace
}  // namespace closewatch
