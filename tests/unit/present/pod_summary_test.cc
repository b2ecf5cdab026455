// SPDX-License-Identifier: Apache-2.0
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

TEST(ShownQueues, AreTheFullestAndTheOthersAsOne) {
  std::vector<ListenBacklog> listeners;
  for (std::uint16_t port = 1; port <= 32; ++port) listeners.push_back({port, 0, 128});
  EXPECT_EQ(shown_queues(listeners).ports, listeners);
  EXPECT_FALSE(shown_queues(listeners).other);
  for (std::uint16_t port = 33; port <= 50'000; ++port) listeners.push_back({port, 2, 128});
  listeners[6].sockets = 9;
  const auto shown = shown_queues(listeners);
  ASSERT_EQ(shown.ports.size(), 32U);
  EXPECT_EQ(shown.ports.front().port, 7);
  EXPECT_EQ(shown.ports.back().port, 63);
  ASSERT_TRUE(shown.other);
  EXPECT_EQ(shown.other->sockets, 2U * (50'000 - 63));
}

}  // namespace
}  // namespace closewatch
