// SPDX-License-Identifier: Apache-2.0
#include "web/token_check.h"

#include "fake_reviewer.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch::web {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = AccessVerdict::Kind;
using Outcome = TokenCheck::Outcome;

class TokenCheckTest : public testing::Test {
 protected:
  void ask(const std::string& token, const std::string& path = "/metrics",
           const std::string& client = "10.0.0.1") {
    check_.check(token, path, client, [this](const TokenCheck::Answer& answer) {
      outcomes_.push_back(answer.outcome);
      told_ = answer.told;
    });
  }
  std::vector<Outcome> take() { return std::exchange(outcomes_, {}); }
  /// Asks, and the API server says so, where it is asked.
  std::vector<Outcome> one(const std::string& token, Kind kind,
                           const std::string& path = "/metrics",
                           const std::string& client = "10.0.0.1") {
    ask(token, path, client);
    if (!reviewer_.asked.empty()) reviewer_.say(kind, "alice");
    return take();
  }

  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
  FakeReviewer reviewer_;
  std::vector<Outcome> outcomes_;
  std::string told_;
  TokenCheck check_{reviewer_, [this] { return now_; }};
};

TEST_F(TokenCheckTest, SaysWhatTheApiServerSays) {
  ask("right");
  EXPECT_THAT(outcomes_, IsEmpty());
  ASSERT_EQ(reviewer_.asked.size(), 1U);
  EXPECT_EQ(reviewer_.asked[0].token, "right");
  EXPECT_EQ(reviewer_.asked[0].path, "/metrics");
  EXPECT_LE(reviewer_.asked[0].until, now_ + 4s);
  reviewer_.say(Kind::kAllowed, "alice");
  EXPECT_THAT(take(), ElementsAre(Outcome::kAllowed));
  EXPECT_THAT(one("other", Kind::kForbidden), ElementsAre(Outcome::kForbidden));
  EXPECT_EQ(told_, "alice");
  EXPECT_THAT(one("wrong", Kind::kNobodys), ElementsAre(Outcome::kNobodys));
}

TEST_F(TokenCheckTest, AsksAnewAboutWhomItLetInAfterAMinute) {
  EXPECT_THAT(one("right", Kind::kAllowed), ElementsAre(Outcome::kAllowed));
  now_ += 59s;
  ask("right");
  EXPECT_THAT(take(), ElementsAre(Outcome::kAllowed));
  EXPECT_EQ(reviewer_.count, 1U);
  now_ += 1s;
  EXPECT_THAT(one("right", Kind::kNobodys), ElementsAre(Outcome::kNobodys)) << "revoked";
  EXPECT_EQ(reviewer_.count, 2U);
  ask("right");
  EXPECT_THAT(take(), ElementsAre(Outcome::kNobodys));
}

TEST_F(TokenCheckTest, AsksAnewAboutWhomItDidNotAfterTenSeconds) {
  EXPECT_THAT(one("wrong", Kind::kNobodys), ElementsAre(Outcome::kNobodys));
  ask("wrong", "/");
  EXPECT_THAT(take(), ElementsAre(Outcome::kNobodys)) << "for every path";
  EXPECT_THAT(one("other", Kind::kForbidden), ElementsAre(Outcome::kForbidden));
  EXPECT_THAT(one("other", Kind::kAllowed, "/"), ElementsAre(Outcome::kAllowed)) << "for that one";
  now_ += 9s;
  ask("wrong");
  ask("other");
  EXPECT_THAT(take(), ElementsAre(Outcome::kNobodys, Outcome::kForbidden));
  EXPECT_EQ(reviewer_.count, 3U);
  now_ += 1s;
  EXPECT_THAT(one("wrong", Kind::kAllowed), ElementsAre(Outcome::kAllowed));
  EXPECT_THAT(one("other", Kind::kAllowed), ElementsAre(Outcome::kAllowed));
}

TEST_F(TokenCheckTest, AsksOnceForAllWhoAskTheSame) {
  for (int i = 0; i < 40; ++i) ask("right");
  ASSERT_EQ(reviewer_.asked.size(), 1U);
  reviewer_.say(Kind::kAllowed);
  EXPECT_EQ(outcomes_, std::vector<Outcome>(40, Outcome::kAllowed));
}

TEST_F(TokenCheckTest, LetsNobodyInWhileTheApiServerIsAway) {
  ask("right");
  reviewer_.say(fail(ErrorKind::kSystem, "connecting to 10.0.0.1:443: refused"));
  EXPECT_THAT(take(), ElementsAre(Outcome::kNotKnown));
  EXPECT_THAT(told_, HasSubstr("refused"));
  EXPECT_THAT(one("right", Kind::kAllowed), ElementsAre(Outcome::kAllowed)) << "not remembered";
  now_ += 1min;
  ask("right");
  reviewer_.say(fail(ErrorKind::kSystem, "refused"));
  EXPECT_THAT(take(), ElementsAre(Outcome::kNotKnown)) << "though it was right before";
}

TEST_F(TokenCheckTest, DoesNotLookAtAClientThatIsWrongTooOften) {
  EXPECT_THAT(one("right", Kind::kAllowed), ElementsAre(Outcome::kAllowed));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(one("guess" + std::to_string(i), i % 2 == 0 ? Kind::kNobodys : Kind::kForbidden),
                ElementsAre(i % 2 == 0 ? Outcome::kNobodys : Outcome::kForbidden));
  }
  EXPECT_THAT(one("guess", Kind::kNobodys), ElementsAre(Outcome::kTooOften));
  EXPECT_EQ(reviewer_.count, 11U);
  EXPECT_THAT(one("right2", Kind::kAllowed, "/metrics", "10.0.0.2"),
              ElementsAre(Outcome::kAllowed));
  now_ += 1s;
  EXPECT_THAT(one("right", Kind::kAllowed, "/"), ElementsAre(Outcome::kAllowed))
      << "who was let in before may ask for another path, and be asked about anew";
}

TEST_F(TokenCheckTest, OneTokenThatIsTriedAgainAndAgainIsOneFailure) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(one("wrong", Kind::kNobodys), ElementsAre(Outcome::kNobodys));
  }
  EXPECT_EQ(reviewer_.count, 1U);
}

TEST_F(TokenCheckTest, HasRoomForSomeOfEachAndForSomeOfAll) {
  EXPECT_THAT(one("right", Kind::kAllowed, "/metrics", "10.9.9.9"), ElementsAre(Outcome::kAllowed));
  for (int i = 0; i < 6; ++i) ask("guess" + std::to_string(i));
  EXPECT_EQ(reviewer_.asked.size(), 3U);
  EXPECT_THAT(take(), ElementsAre(Outcome::kBusy)) << "three are asked about, two wait";
  for (int i = 0; i < 15; ++i) ask("of" + std::to_string(i), "/", "10.0.1." + std::to_string(i));
  EXPECT_THAT(take(), ElementsAre(Outcome::kBusy)) << "16 wait";
  EXPECT_EQ(reviewer_.asked.size(), 3U);
  // One place is kept for whose token was let in before, and it comes first.
  ask("right", "/a", "10.9.9.9");
  ASSERT_EQ(reviewer_.asked.size(), 4U);
  ask("right", "/b", "10.9.9.9");
  EXPECT_EQ(reviewer_.asked.size(), 4U);
  reviewer_.say(Kind::kNobodys);
  ASSERT_EQ(reviewer_.asked.size(), 4U);
  EXPECT_EQ(reviewer_.asked.back().path, "/b");
  while (!reviewer_.asked.empty()) reviewer_.say(Kind::kAllowed);
  EXPECT_EQ(outcomes_.size(), 3U + 16 + 2);
}

TEST_F(TokenCheckTest, HasRoomForSomeOfAnIpv6Network) {
  for (int i = 0; i < 6; ++i) {
    ask("guess" + std::to_string(i), "/", "2001:db8::" + std::to_string(i));
  }
  EXPECT_THAT(take(), ElementsAre(Outcome::kBusy)) << "three are asked about, two wait";
  ask("another", "/", "2001:db8:0:1::1");
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(TokenCheckTest, HasNoRoomWithoutEndForThoseWhomItHasLetIn) {
  EXPECT_THAT(one("right", Kind::kAllowed), ElementsAre(Outcome::kAllowed));
  for (int i = 0; i < 69; ++i) ask("right", "/" + std::to_string(i));
  EXPECT_EQ(reviewer_.asked.size(), 4U);
  EXPECT_THAT(take(), ElementsAre(Outcome::kBusy)) << "four are asked about, 64 wait";
}

TEST_F(TokenCheckTest, WhoWaitsTooLongIsToldSo) {
  for (int i = 0; i < 3; ++i) ask("first" + std::to_string(i), "/", "10.0.1.1");
  ask("waits", "/", "10.0.1.2");
  now_ += 4s;
  ask("waits too", "/", "10.0.1.3");
  EXPECT_THAT(take(), IsEmpty());
  reviewer_.say(fail(ErrorKind::kSystem, "timed out"));
  EXPECT_THAT(take(), ElementsAre(Outcome::kNotKnown, Outcome::kBusy));
  EXPECT_EQ(reviewer_.asked.back().token, "waits too");
}

TEST_F(TokenCheckTest, AFloodOfWrongOnesForgetsNobodyWhoWasRight) {
  EXPECT_THAT(one("right", Kind::kAllowed), ElementsAre(Outcome::kAllowed));
  for (int i = 0; i < 3000; ++i) {
    EXPECT_THAT(one("guess" + std::to_string(i), Kind::kNobodys, "/",
                    "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256)),
                ElementsAre(Outcome::kNobodys));
  }
  const auto before = reviewer_.count;
  ask("right");
  EXPECT_THAT(take(), ElementsAre(Outcome::kAllowed));
  EXPECT_EQ(reviewer_.count, before);
}

TEST(VerdictCache, ForgetsTheOldestOfTooMany) {
  const Fingerprints prints;
  VerdictCache cache(10s);
  const VerdictCache::Time now{};
  const auto of = [&](int i) { return prints.of({std::to_string(i)}); };
  for (int i = 0; i < 1024; ++i) cache.put(of(i), {Kind::kAllowed}, now);
  cache.put(of(5), {Kind::kAllowed}, now);
  EXPECT_NE(cache.find(of(0), now), nullptr);
  cache.put(of(1024), {Kind::kAllowed}, now);
  EXPECT_EQ(cache.find(of(0), now), nullptr);
  EXPECT_NE(cache.find(of(1), now), nullptr);
}

}  // namespace
}  // namespace closewatch::web
