#include "closewatch/present/pod_summary.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(FullestQueue, IsNotHiddenByALimitOfNothing) {
  SocketSums sums;
  EXPECT_EQ(fullest_queue(sums), nullptr);
  sums.listeners = {{1000, 0, 0}, {2000, 6, 5}, {3000, 0, 128}};
  EXPECT_EQ(fullest_queue(sums)->port, 2000);
  sums.listeners = {{1000, 1, 0}, {2000, 3, 5}};
  EXPECT_EQ(fullest_queue(sums)->port, 1000);
}

TEST(FullestQueue, WithoutLimitsIsTheLongest) {
  SocketSums sums;
  sums.listeners = {{1000, 3, std::nullopt}, {2000, 4, std::nullopt}, {3000, 1, std::nullopt}};
  EXPECT_EQ(fullest_queue(sums)->port, 2000);
}

}  // namespace
}  // namespace closewatch
