// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/sample_snapshot.h"
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "closewatch/crossing/network_end.h"
#include "closewatch/crossing/scanner_end.h"

namespace closewatch::crossing {
namespace {

using namespace std::chrono_literals;

/// Both ends, on one thread.
class EndsTest : public ::testing::Test {
 protected:
  EndsTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    scanner_ = ScannerEnd::open(
        context_, UniqueFd(pair[0]),
        {scanned_, told_, [this] { return alive_; },
         [this](const Pod& pod, const std::vector<std::uint32_t>& inodes) {
           asked_.emplace_back(pod.uid, inodes);
           return SocketOwnerList{{{4711U, SocketOwner{77, "java", 0}}}, std::nullopt};
         },
         ::getpid(), [this](const std::string& why) { ended_ = why; }, [](const std::string&) {}});
    network_ = NetworkEnd::open(context_, UniqueFd(pair[1]), shown_,
                                [this](const std::string& why) { network_ended_ = why; });
    scanned_.publish(std::make_shared<const Snapshot>(closewatch::testing::sample_snapshot()));
  }

  template <typename Condition>
  void run_until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!holds() && context_.run_one_until(deadline) > 0) {
    }
    EXPECT_TRUE(holds());
  }

  boost::asio::io_context context_{1};
  SnapshotStore scanned_;
  SnapshotStore shown_;
  PodDirectory told_;
  bool alive_ = true;
  std::vector<std::pair<std::string, std::vector<std::uint32_t>>> asked_;
  std::optional<std::string> ended_;
  std::optional<std::string> network_ended_;
  std::unique_ptr<ScannerEnd> scanner_;
  std::unique_ptr<NetworkEnd> network_;
};

TEST_F(EndsTest, SnapshotsGoToTheNetwork) {
  scanner_->publish();
  run_until([this] { return shown_.last() != nullptr; });
  EXPECT_EQ(shown_.last()->pods.size(), scanned_.last()->pods.size());
}

TEST_F(EndsTest, NamesGoToTheScanner) {
  PodDirectory known;
  ASSERT_TRUE(known.put({"uid-a", "", {"shop", "cart-0", "StatefulSet", "cart"}}));
  known.set_state({});
  network_->tell_names(known);
  run_until([this] { return told_.settled(); });
  EXPECT_EQ(told_.find("uid-a")->name, "cart-0");
  known.set_state(fail(ErrorKind::kSystem, "it is away"));
  network_->tell_names(known);
  run_until([this] { return !told_.state(); });
  EXPECT_EQ(told_.state().error().what, "it is away");
  EXPECT_TRUE(told_.find("uid-a")) << "what was known stays";
}

/// The directory is filled before its state is set: that would look like a failure.
TEST_F(EndsTest, NothingIsToldBeforeTheApiServerHasAnswered) {
  PodDirectory known;
  known.replace({{"uid-a", "", {"shop", "cart-0", "StatefulSet", "cart"}}});
  network_->tell_names(known);
  network_->tell_ready();
  run_until([this] { return scanner_->is_ready(); });
  EXPECT_FALSE(told_.settled());
}

TEST_F(EndsTest, TheNetworkKnowsWhetherTheScanLoopLives) {
  EXPECT_TRUE(network_->alive());
  alive_ = false;
  scanner_->publish();
  run_until([this] { return !network_->alive(); });
  EXPECT_GT(network_->process_stats().resident_bytes, 0U);
}

TEST_F(EndsTest, TheScannerKnowsWhenItServes) {
  EXPECT_FALSE(scanner_->is_ready());
  network_->tell_ready();
  run_until([this] { return scanner_->is_ready(); });
  EXPECT_TRUE(scanner_->is_heard());
}

TEST_F(EndsTest, WhoseSocketsAreIsTheScannersWord) {
  Pod cart;
  cart.uid = "uid-cart";
  auto found = std::async(std::launch::async, [&] { return network_->find_owners(cart, {4711}); });
  run_until([&] { return found.wait_for(0s) == std::future_status::ready; });
  const auto owners = found.get();
  EXPECT_EQ(owners.by_inode.at(4711).comm, "java");
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_.front().first, "uid-cart");
}

TEST_F(EndsTest, APodThatIsNoneHasNoSockets) {
  Pod other;
  other.uid = "uid-of-nobody";
  auto found = std::async(std::launch::async, [&] { return network_->find_owners(other, {4711}); });
  run_until([&] { return found.wait_for(0s) == std::future_status::ready; });
  EXPECT_TRUE(found.get().by_inode.empty());
  EXPECT_TRUE(asked_.empty());
}

/// Nobody runs the context, as at the end.
TEST_F(EndsTest, WhoeverWaitsIsToldAtTheEnd) {
  network_->close();
  EXPECT_TRUE(network_->find_owners({}, {4711}).error);
}

TEST_F(EndsTest, TheEndOfOneIsTheEndOfTheOther) {
  scanner_->close();
  run_until([this] { return network_ended_.has_value(); });
  EXPECT_EQ(network_ended_, "");
  EXPECT_FALSE(ended_);
}

TEST_F(EndsTest, TheScannerIsToldOfTheEnd) {
  network_.reset();
  run_until([this] { return ended_.has_value(); });
  EXPECT_EQ(ended_, "");
}

}  // namespace
}  // namespace closewatch::crossing
