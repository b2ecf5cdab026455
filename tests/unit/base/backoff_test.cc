// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/backoff.h"

#include <set>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToItsBoundAndIsJittered) {
  Backoff backoff(1s, 8s, 7);
  for (const auto bound : {1s, 2s, 4s, 8s, 8s, 8s}) {
    const auto wait = backoff.after_failure();
    EXPECT_GE(wait, bound / 2);
    EXPECT_LE(wait, bound);
  }
}

TEST(Backoff, BeginsAnewAfterSuccess) {
  Backoff backoff(1s, 60s, 7);
  for (int i = 0; i < 5; ++i) backoff.after_failure();
  backoff.after_success();
  EXPECT_LE(backoff.after_failure(), 1s);
}

TEST(Backoff, DiffersFromAgentToAgent) {
  std::set<std::chrono::milliseconds> waits;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Backoff backoff(60s, 60s, seed);
    waits.insert(backoff.after_failure());
  }
  EXPECT_GT(waits.size(), 15U);
}

}  // namespace
}  // namespace closewatch
