// SPDX-License-Identifier: Apache-2.0
#include "web/password_check.h"

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch::web {
namespace {

using testing::Contains;
using testing::ElementsAre;

// Of all clients together, in hashing_thread.cc.
constexpr int kRoomForAll = 16;
// Of "secret", at the lowest cost.
constexpr const char* kHash = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

class PasswordCheckTest : public testing::Test {
 protected:
  void ask(const std::string& user, const std::string& password,
           const std::string& client = "10.0.0.1") {
    check_.check({{"alice", kHash}}, user, password, client,
                 [this](Verdict verdict) { verdicts_.push_back(verdict); });
  }
  /// Until so many are answered.
  void wait(std::size_t count) {
    boost::asio::steady_timer deadline(context_, std::chrono::seconds(30));
    bool is_late = false;
    deadline.async_wait([&](const boost::system::error_code& error) { is_late = !error; });
    while (verdicts_.size() < count && !is_late) context_.run_one();
    deadline.cancel();
    EXPECT_FALSE(is_late);
  }
  Verdict one(const std::string& user, const std::string& password,
              const std::string& client = "10.0.0.1") {
    verdicts_.clear();
    ask(user, password, client);
    wait(1);
    return verdicts_.at(0);
  }

  boost::asio::io_context context_{1};
  std::vector<Verdict> verdicts_;
  PasswordCheck check_{context_};
};

TEST_F(PasswordCheckTest, KnowsAUsersOwnPassword) {
  EXPECT_EQ(one("alice", "secret"), Verdict::kRight);
  EXPECT_EQ(one("alice", "Secret"), Verdict::kWrong);
  EXPECT_EQ(one("bob", "secret"), Verdict::kWrong);
  EXPECT_EQ(one("alice", std::string("secret\0more", 11)), Verdict::kWrong);
}

TEST_F(PasswordCheckTest, AnswersAtOnceWhatWasRightBefore) {
  EXPECT_EQ(one("alice", "secret"), Verdict::kRight);
  verdicts_.clear();
  ask("alice", "secret");
  EXPECT_THAT(verdicts_, ElementsAre(Verdict::kRight)) << "nobody has waited for the thread";
}

TEST_F(PasswordCheckTest, DoesNotLookAtAClientThatIsWrongTooOften) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(one("alice", "guess " + std::to_string(i)), Verdict::kWrong);
  }
  EXPECT_EQ(one("alice", "guess"), Verdict::kTooOften);
  EXPECT_EQ(one("alice", "secret"), Verdict::kTooOften);
  EXPECT_EQ(one("alice", "secret", "10.0.0.2"), Verdict::kRight);
  EXPECT_EQ(one("alice", "secret"), Verdict::kRight) << "known by now, whoever asks";
}

TEST_F(PasswordCheckTest, HashesOnceForAllWhoAskTheSame) {
  for (int i = 0; i < 40; ++i) ask("alice", "secret");
  wait(40);
  EXPECT_EQ(verdicts_, std::vector<Verdict>(40, Verdict::kRight));
}

TEST_F(PasswordCheckTest, HasRoomForSomeOfEachAndForSomeOfAll) {
  for (int i = 0; i < kRoomForAll; ++i) ask("alice", "guess " + std::to_string(i));
  EXPECT_THAT(verdicts_, Contains(Verdict::kBusy));
  wait(kRoomForAll);
  verdicts_.clear();
  for (int i = 0; i < 200; ++i) {
    ask("alice", "guess of " + std::to_string(i), "10.0.1." + std::to_string(i));
  }
  EXPECT_THAT(verdicts_, Contains(Verdict::kBusy));
  wait(200);
}

TEST_F(PasswordCheckTest, HasRoomForSomeOfAnIpv6Network) {
  for (int i = 0; i < kRoomForAll; ++i) {
    ask("alice", "guess " + std::to_string(i), "2001:db8::" + std::to_string(i));
  }
  EXPECT_THAT(verdicts_, Contains(Verdict::kBusy));
  wait(kRoomForAll);
}

TEST(BcryptHash, TakesWhatGoTakes) {
  const auto hash = BcryptHash::parse(kHash);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash->cost, 4);
  EXPECT_TRUE(hash->is_of("secret"));
  for (const auto* const version : {"$2a$", "$2y$", "$2x$", "$2$"}) {
    const auto same = BcryptHash::parse(version + std::string(kHash).substr(4));
    ASSERT_TRUE(same) << version;
    EXPECT_TRUE(same->is_of("secret")) << version;
    EXPECT_FALSE(same->is_of("secret ")) << version;
  }
  const std::string text(kHash);
  for (const auto& wrong :
       {std::string(), std::string("secret"), text.substr(0, 58), "$3" + text.substr(2),
        "$2b$03" + text.substr(6), "$2b$32" + text.substr(6), "$2b$xx" + text.substr(6)}) {
    EXPECT_FALSE(BcryptHash::parse(wrong)) << wrong;
  }
  const auto not_base64 = BcryptHash::parse("$2b$04$" + std::string(53, '!'));
  ASSERT_TRUE(not_base64);
  EXPECT_FALSE(not_base64->is_of("secret"));
}

TEST(FailureLimit, GivesBackOneAfterTheOther) {
  FailureLimit limit;
  const FailureLimit::Time start{};
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(limit.add("10.0.0.1", start));
  EXPECT_TRUE(limit.allows("10.0.0.1", start));
  EXPECT_TRUE(limit.add("10.0.0.1", start)) << "the last";
  EXPECT_FALSE(limit.allows("10.0.0.1", start));
  EXPECT_TRUE(limit.allows("10.0.0.2", start));
  EXPECT_FALSE(limit.allows("10.0.0.1", start + std::chrono::seconds(5)));
  EXPECT_TRUE(limit.allows("10.0.0.1", start + std::chrono::seconds(7)));
}

TEST(FailureLimit, IsOneForANetworkOfIpv6) {
  FailureLimit limit;
  for (int i = 0; i < 10; ++i) limit.add("2001:db8::" + std::to_string(i), {});
  EXPECT_FALSE(limit.allows("2001:db8::ffff", {}));
  EXPECT_TRUE(limit.allows("2001:db8:0:1::1", {}));
}

TEST(FailureLimit, ForgetsTheOldestOfTooMany) {
  FailureLimit limit;
  for (int i = 0; i < 10; ++i) limit.add("10.0.0.1", {});
  for (int i = 0; i < 1024; ++i) {
    limit.add("10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256),
              FailureLimit::Time() + std::chrono::milliseconds(1 + i));
  }
  EXPECT_TRUE(limit.allows("10.0.0.1", FailureLimit::Time() + std::chrono::milliseconds(1)));
}

TEST(Fingerprints, AreOfAllTheirWords) {
  Fingerprints right;
  right.add(right.of({"alice", "hash", "secret"}));
  EXPECT_TRUE(right.has(right.of({"alice", "hash", "secret"})));
  EXPECT_FALSE(right.has(right.of({"alic", "ehash", "secret"})));
  EXPECT_FALSE(right.has(right.of({"alice", "hash2", "secret"})));
  EXPECT_FALSE(right.has(Fingerprints().of({"alice", "hash", "secret"}))) << "its key is its own";
}

TEST(Fingerprints, AreBounded) {
  Fingerprints right;
  for (int i = 0; i <= 64; ++i) right.add(right.of({"alice", "hash", std::to_string(i)}));
  EXPECT_FALSE(right.has(right.of({"alice", "hash", "0"})));
  EXPECT_TRUE(right.has(right.of({"alice", "hash", "1"})));
}

}  // namespace
}  // namespace closewatch::web
