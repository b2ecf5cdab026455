// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/hang_guard.h"

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

bool go_on() { return true; }

/// Work that does not return before it is told to.
class Hanging {
 public:
  [[nodiscard]] std::function<void()> work() const {
    return [told = told_] { told.wait(); };
  }
  void let_go() { tell_.set_value(); }

 private:
  std::promise<void> tell_;
  std::shared_future<void> told_ = tell_.get_future().share();
};

void wait_until_returned(HangGuard& guard, const std::string& whom) {
  while (guard.is_stuck(whom)) std::this_thread::yield();
}

TEST(HangGuard, DoesWorkInAnotherThreadAndKnowsItsCost) {
  HangGuard guard(10s);
  std::thread::id there;
  EXPECT_TRUE(guard.run([&] { there = std::this_thread::get_id(); }, go_on));
  EXPECT_NE(there, std::this_thread::get_id());
  EXPECT_GT(guard.cpu(), 0ns);
  EXPECT_EQ(guard.stuck(), 0U);
}

TEST(HangGuard, DoesAllItselfWithoutPatience) {
  HangGuard guard(0s);
  std::thread::id there;
  EXPECT_TRUE(guard.run([&] { there = std::this_thread::get_id(); }, go_on));
  EXPECT_EQ(there, std::this_thread::get_id());
}

TEST(HangGuard, LeavesBehindWhatHangsUntilItReturns) {
  HangGuard guard(1ms);
  Hanging hanging;
  EXPECT_FALSE(guard.run(hanging.work(), go_on));
  guard.blame("cart");
  EXPECT_TRUE(guard.is_stuck("cart"));
  EXPECT_FALSE(guard.is_stuck("api"));
  EXPECT_EQ(guard.stuck(), 1U);
  const auto done = std::make_shared<std::atomic<bool>>(false);
  EXPECT_TRUE(guard.run([done] { *done = true; }, go_on));
  EXPECT_TRUE(*done);
  hanging.let_go();
  wait_until_returned(guard, "cart");
  EXPECT_EQ(guard.stuck(), 0U);
}

TEST(HangGuard, TakesNothingForHangingThatIsAtWork) {
  HangGuard guard(8ms);
  std::atomic<int> looks = 0;
  EXPECT_TRUE(guard.run(
      [&] {
        while (looks < 10) {
        }
      },
      [&] { return ++looks > 0; }));
}

TEST(HangGuard, WaitsNoLongerForWhatNobodyWants) {
  HangGuard guard(4ms);
  const auto looks = std::make_shared<std::atomic<int>>(0);
  EXPECT_FALSE(guard.run(
      [looks] {
        while (*looks < 10) {
        }
      },
      [looks] { return ++*looks > 1; }));
  guard.blame("cart");
  *looks = 10;
  wait_until_returned(guard, "cart");
}

TEST(HangGuard, DoesNothingMoreOnceTooMuchHangs) {
  HangGuard guard(1ms);
  Hanging hanging;
  for (std::size_t i = 0; i < HangGuard::kMostStuck; ++i) {
    EXPECT_FALSE(guard.is_stuck("another"));
    EXPECT_FALSE(guard.run(hanging.work(), go_on));
    guard.blame("pod-" + std::to_string(i));
    guard.begin_scan();
  }
  EXPECT_TRUE(guard.is_stuck("another"));
  hanging.let_go();
  wait_until_returned(guard, "another");
}

TEST(HangGuard, ThrowsWhatWorkThrows) {
  HangGuard guard(10s);
  EXPECT_THROW(guard.run([] { throw std::runtime_error("no memory"); }, go_on), std::runtime_error);
  EXPECT_TRUE(guard.run([] {}, go_on));
}

TEST(HangGuard, MayGoWhileSomethingHangs) {
  Hanging hanging;
  {
    HangGuard guard(1ms);
    EXPECT_FALSE(guard.run(hanging.work(), go_on));
    guard.blame("cart");
  }
  hanging.let_go();
}

}  // namespace
}  // namespace closewatch
