// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/held_history.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

class HeldHistoryTest : public ::testing::Test {
 protected:
  HeldHistoryTest() { pod_.containers = {{"id-pause", "", {}}, {"id-app", "app", {}}}; }

  /// A minute later these are held.
  const HeldDiagnosis& later(const std::vector<std::uint64_t>& cookies) {
    return later_with({.at = {}, .sockets = sockets(cookies), .ending = {}, .left = {}});
  }
  const HeldDiagnosis& later_with(HeldReading reading) {
    reading.at = now_ += 1min;
    return history_.observe(reading, pod_, settings_);
  }
  /// The inode number of each is a hundred times its cookie.
  static std::vector<ListedHeld> sockets(const std::vector<std::uint64_t>& cookies) {
    std::vector<ListedHeld> sockets;
    for (const auto cookie : cookies) {
      auto& held = sockets.emplace_back();
      held.socket.cookie = cookie;
      held.socket.inode = static_cast<std::uint32_t>(100 * cookie);
      held.socket.container = 1;
    }
    return sockets;
  }

  Pod pod_;
  DiagnosisSettings settings_;
  HeldHistory history_{false};
  std::chrono::steady_clock::time_point now_{1h};
};

TEST_F(HeldHistoryTest, AgesFromWhenASocketWasSeenFirst) {
  EXPECT_EQ(later({7}).oldest, 0s);
  EXPECT_EQ(later({5, 7, 9}).oldest, 1min);
  const auto& held = later({9, 5});
  EXPECT_EQ(held.oldest, 1min);
  ASSERT_EQ(held.sockets.size(), 2U);
  EXPECT_EQ(held.sockets.front().socket.age, 1min);
}

TEST_F(HeldHistoryTest, CountsWhatIsNewAfterTheFirstReading) {
  EXPECT_EQ(later({1, 2}).entered, 0U);
  EXPECT_EQ(later({2, 3, 4}).entered, 2U);
  EXPECT_EQ(later({2}).entered, 2U);
  EXPECT_EQ(later({1, 2}).entered, 3U);
}

TEST_F(HeldHistoryTest, OfANewbornPodCountsAll) {
  history_ = HeldHistory(true);
  EXPECT_EQ(later({1, 2}).entered, 2U);
}

TEST_F(HeldHistoryTest, HasAZeroForEachContainerWithAName) {
  EXPECT_EQ(later({}).containers, (std::vector<ContainerHeld>{{"app", 0}}));
  EXPECT_EQ(later({1}).containers, (std::vector<ContainerHeld>{{"app", 1}}));
  pod_.containers.clear();
  EXPECT_EQ(later({}).containers, (std::vector<ContainerHeld>{{"unknown", 0}}));
}

TEST_F(HeldHistoryTest, ListsTheOldest) {
  settings_.sockets = 1;
  later({7});
  const auto& held = later({5, 7});
  ASSERT_EQ(held.sockets.size(), 1U);
  EXPECT_EQ(held.sockets.front().socket.cookie, 7U);
  EXPECT_EQ(held.total(), 2U);
}

TEST_F(HeldHistoryTest, IsNotKnownAfterAFailure) {
  later({7});
  history_.forget();
  EXPECT_EQ(history_.last(), nullptr);
  EXPECT_EQ(later({7}).oldest, 1min);
}

TEST_F(HeldHistoryTest, TellsWhatWasClosedFromWhatIsHeldAfterItHasLeft) {
  later({2});
  const auto& held = later_with({{}, sockets({1, 2, 3}), {}, {100, 300, 400, 500}});
  EXPECT_EQ(held.left_held, 2U);
  EXPECT_EQ(held.left_closed, 2U);
  const auto& after = later_with({{}, sockets({1}), {}, {200}});
  EXPECT_EQ(after.left_held, 2U);
  EXPECT_EQ(after.left_closed, 3U);
}

TEST_F(HeldHistoryTest, WhatWaitsForTheLastAckIsNotDecided) {
  const auto& ending = later_with({{}, {}, {700, 800, 900}, {800, 700}});
  EXPECT_EQ(ending.left_held, 0U);
  EXPECT_EQ(ending.left_closed, 0U);
  const auto& over = later_with({{}, sockets({8}), {}, {}});
  EXPECT_EQ(over.left_held, 1U);
  EXPECT_EQ(over.left_closed, 1U);
}

TEST(HeldDiagnosis, OfNamesakesAddsUp) {
  HeldDiagnosis sum;
  HeldDiagnosis other;
  sum.containers = {{"app", 1}};
  other.containers = {{"app", 2}, {"sidecar", 3}};
  other.oldest = 5s;
  other.entered = 7;
  other.left_closed = 8;
  other.left_held = 9;
  other.owners = {{{"istio-system", "ztunnel", "proxy"}, 3, 0}};
  sum.add(other, 3);
  EXPECT_EQ(sum.left_closed, 8U);
  EXPECT_EQ(sum.left_held, 9U);
  EXPECT_EQ(sum.owners, other.owners);
  EXPECT_EQ(sum.containers, (std::vector<ContainerHeld>{{"app", 3}, {"sidecar", 3}}));
  EXPECT_EQ(sum.total(), 6U);
  EXPECT_EQ(sum.oldest, 5s);
  EXPECT_EQ(sum.entered, 7U);
}

}  // namespace
}  // namespace closewatch
