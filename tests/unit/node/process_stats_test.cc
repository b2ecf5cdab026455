// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/process_stats.h"

#include <unistd.h>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(ProcessStats, AProcessSeesItself) {
  const auto stats = read_process_stats();
  EXPECT_GT(stats.resident_bytes, stats.shared_bytes);
  EXPECT_GT(stats.virtual_bytes, stats.resident_bytes);
  EXPECT_GE(stats.open_fds, 3U);
  EXPECT_GT(stats.max_fds, stats.open_fds);
  EXPECT_EQ(read_process_stats(::getpid()).max_fds, stats.max_fds);
}

TEST(ProcessStats, OneThatIsNotThereHasNothing) {
  constexpr pid_t kBeyondAll = 1 << 22;  // PID_MAX_LIMIT
  EXPECT_EQ(read_process_stats(kBeyondAll).resident_bytes, 0U);
  EXPECT_EQ(cpu_seconds_of(kBeyondAll), 0);
}

TEST(ProcessStats, WhatTwoHaveInCommonCountsOnce) {
  const ProcessStats a{.cpu_seconds = 1,
                       .open_fds = 20,
                       .max_fds = 100,
                       .virtual_bytes = 1000,
                       .resident_bytes = 90,
                       .shared_bytes = 30};
  const ProcessStats b{.cpu_seconds = 2,
                       .open_fds = 30,
                       .max_fds = 200,
                       .virtual_bytes = 500,
                       .resident_bytes = 50,
                       .shared_bytes = 40};
  for (const auto& both : {together(a, b), together(b, a)}) {
    EXPECT_EQ(both.cpu_seconds, 3);
    EXPECT_EQ(both.open_fds, 30U);
    EXPECT_EQ(both.max_fds, 200U);
    EXPECT_EQ(both.virtual_bytes, 1500U);
    EXPECT_EQ(both.resident_bytes, 110U);
    EXPECT_EQ(both.shared_bytes, 40U);
  }
}

}  // namespace
}  // namespace closewatch
