// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/socket_listings.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include "tests/support/sample_snapshot.h"
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::HasSubstr;

/// The test's thread is that of whoever asks. Looking for owners waits until it may go on.
class SocketListingsTest : public ::testing::Test {
 protected:
  SocketListingsTest() {
    auto snapshot = testing::sample_snapshot();
    for (int i = 0; i < 40; ++i) {
      auto& pod = snapshot.pods.emplace_back(snapshot.pods[1]);
      pod.pod_namespace = "zoo";
      pod.name = "cart-" + std::to_string(100 + i);
    }
    snapshot_ = std::make_shared<const Snapshot>(std::move(snapshot));
  }

  SocketOwnerList find() {
    ++searches_;
    std::unique_lock lock(mutex_);
    go_on_.wait(lock, [this] { return may_go_on_; });
    if (throws_) throw std::runtime_error("no memory");
    return {};
  }

  void let_go_on() {
    {
      const std::lock_guard lock(mutex_);
      may_go_on_ = true;
    }
    go_on_.notify_all();
  }

  void ask(const std::string& pod_namespace, const std::string& pod) {
    listings_.of(snapshot_, pod_namespace, pod,
                 [this](const SocketListings::Listing& listing) { told_.push_back(listing); });
  }

  void run_until_told(std::size_t count) {
    while (told_.size() < count) context_.run_one();
  }

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      context_.get_executor()};
  std::shared_ptr<const Snapshot> snapshot_;
  std::atomic<int> searches_ = 0;
  std::atomic<bool> throws_ = false;
  std::mutex mutex_;
  std::condition_variable go_on_;
  bool may_go_on_ = false;
  std::vector<SocketListings::Listing> told_;
  SocketListings listings_{[this](const Pod&, const auto&) { return find(); },
                           [this](auto work) { boost::asio::post(context_, std::move(work)); }};
};

TEST_F(SocketListingsTest, LookThroughAPodOnceHoweverManyAsk) {
  for (int i = 0; i < 10; ++i) ask("shop", "cart-0");
  EXPECT_TRUE(told_.empty());  // nobody waited for it
  let_go_on();
  run_until_told(10);
  ask("shop", "cart-0");
  ASSERT_EQ(told_.size(), 11U);
  for (const auto& listing : told_) EXPECT_EQ(listing, told_.front());
  EXPECT_EQ(told_.front()->processes_missing, "");
  EXPECT_FALSE(told_.front()->sockets.empty());
  EXPECT_EQ(searches_, 1);

  snapshot_ = std::make_shared<const Snapshot>(*snapshot_);
  ask("shop", "cart-0");
  run_until_told(12);
  EXPECT_EQ(searches_, 2);
}

TEST_F(SocketListingsTest, GiveUpWhereTooManyWait) {
  for (int i = 0; i < 40; ++i) ask("zoo", "cart-" + std::to_string(100 + i));
  ASSERT_EQ(told_.size(), 8U);
  for (const auto& listing : told_) {
    EXPECT_THAT(listing->processes_missing, HasSubstr("too many pods"));
    EXPECT_FALSE(listing->sockets.empty());
  }
  let_go_on();
  run_until_told(40);
  EXPECT_EQ(told_.back()->processes_missing, "");
}

TEST_F(SocketListingsTest, SaysThatItHasFailedWhenTheSearchThrows) {
  throws_ = true;
  let_go_on();
  ask("shop", "cart-0");
  run_until_told(1);
  EXPECT_THAT(told_[0]->processes_missing, HasSubstr("has failed"));
}

}  // namespace
}  // namespace closewatch
