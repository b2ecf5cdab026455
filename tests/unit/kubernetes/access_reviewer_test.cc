// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/access_reviewer.h"

#include <deque>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = AccessVerdict::Kind;

struct ReviewAnswer {
  unsigned status = 201;
  std::string body = {};
  Result<void> end = {};
  bool says_where_it_ends = true;
};

/// Answers as it was told, each request in its turn, each body in two pieces.
class FakeReviewTransport final : public ApiTransport {
 public:
  explicit FakeReviewTransport(boost::asio::io_context& context) : context_(context) {}

  void ask(const ApiRequest& request, http::Receiver& receiver) override {
    requests.push_back(request);
    const auto answer = answers.at(requests.size() - 1);
    boost::asio::post(context_, [answer, &receiver] {
      if (answer.status != 0) {
        receiver.on_answer({answer.status, std::nullopt, "", answer.says_where_it_ends});
      }
      const auto half = answer.body.size() / 2;
      for (const auto& piece : {answer.body.substr(0, half), answer.body.substr(half)}) {
        if (!piece.empty() && !receiver.on_body(piece)) return receiver.on_end({});
      }
      receiver.on_end(answer.end);
    });
  }

  std::deque<ReviewAnswer> answers;
  std::vector<ApiRequest> requests;

 private:
  boost::asio::io_context& context_;
};

ReviewAnswer owner_is(const std::string& user) {
  return {.body = R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":")" +
                  user + R"("}}})"};
}
ReviewAnswer allowed(bool is) {
  return {.body = std::string(R"({"kind":"SubjectAccessReview","status":{"allowed":)") +
                  (is ? "true" : "false") + "}}"};
}
const ReviewAnswer kNobody = {.body = R"({"kind":"TokenReview","status":{"authenticated":false}})"};

class AccessReviewerTest : public ::testing::Test {
 protected:
  Result<AccessVerdict> ask(std::deque<ReviewAnswer> answers) {
    transport_.answers = std::move(answers);
    transport_.requests.clear();
    std::vector<Result<AccessVerdict>> verdicts;
    reviewer_->review("tok", "/metrics", until_,
                      [&](const Result<AccessVerdict>& verdict) { verdicts.push_back(verdict); });
    EXPECT_THAT(verdicts, IsEmpty()) << "later";
    context_.restart();
    context_.run();
    EXPECT_EQ(verdicts.size(), 1U);
    return verdicts.at(0);
  }
  std::string error_of(std::deque<ReviewAnswer> answers) {
    const auto verdict = ask(std::move(answers));
    EXPECT_FALSE(verdict);
    return verdict ? "" : verdict.error().what;
  }

  const std::chrono::steady_clock::time_point until_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(4);
  boost::asio::io_context context_{1};
  std::unique_ptr<FakeReviewTransport> made_ = std::make_unique<FakeReviewTransport>(context_);
  FakeReviewTransport& transport_ = *made_;
  std::unique_ptr<AccessReviewer> reviewer_ = make_access_reviewer(context_, std::move(made_), {});
};

TEST_F(AccessReviewerTest, AsksWhoseTheTokenIsAndThenWhatItsOwnerMay) {
  const auto verdict = ask({owner_is("alice"), allowed(true)});
  ASSERT_TRUE(verdict) << verdict.error().what;
  EXPECT_EQ(verdict->kind, Kind::kAllowed);
  EXPECT_EQ(verdict->user, "alice");
  ASSERT_EQ(transport_.requests.size(), 2U);
  EXPECT_EQ(transport_.requests[0].target, "/apis/authentication.k8s.io/v1/tokenreviews");
  EXPECT_THAT(*transport_.requests[0].body, HasSubstr(R"("token":"tok")"));
  EXPECT_EQ(transport_.requests[1].target, "/apis/authorization.k8s.io/v1/subjectaccessreviews");
  EXPECT_THAT(*transport_.requests[1].body,
              AllOf(HasSubstr(R"("user":"alice")"), HasSubstr(R"("path":"/metrics")")));
  for (const auto& request : transport_.requests) EXPECT_EQ(request.until, until_);
}

TEST_F(AccessReviewerTest, SaysWhoMayNot) {
  const auto verdict = ask({owner_is("alice"), allowed(false)});
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, Kind::kForbidden);
  EXPECT_EQ(verdict->user, "alice");
}

TEST_F(AccessReviewerTest, TellsNoNameWithoutEnd) {
  const std::string name(20'000, 'a');
  const auto verdict = ask({owner_is(name), allowed(false)});
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->user, name.substr(0, 256));
  EXPECT_THAT(*transport_.requests[1].body, HasSubstr(name)) << "it is asked about as a whole";
}

TEST_F(AccessReviewerTest, AsksNothingMoreOfATokenThatIsNobodys) {
  const auto verdict = ask({kNobody});
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, Kind::kNobodys);
  EXPECT_EQ(transport_.requests.size(), 1U);
}

TEST_F(AccessReviewerTest, LetsNobodyInByAnAnswerThatIsNone) {
  EXPECT_THAT(error_of({{.status = 403, .body = R"({"message":"tokenreviews is forbidden"})"}}),
              AllOf(HasSubstr("system:auth-delegator"), HasSubstr("tokenreviews is forbidden"),
                    HasSubstr("a TokenReview")));
  EXPECT_THAT(error_of({owner_is("a"), {.status = 403}}),
              AllOf(HasSubstr("system:auth-delegator"), HasSubstr("a SubjectAccessReview")));
  EXPECT_THAT(error_of({{.status = 401}}), HasSubstr("service account's token"));
  EXPECT_THAT(error_of({{.status = 500}}), HasSubstr("500"));
  EXPECT_THAT(error_of({{.status = 0, .end = fail(ErrorKind::kSystem, "connecting: refused")}}),
              HasSubstr("refused"));
  EXPECT_THAT(error_of({owner_is("a"), {.body = "{}"}}), HasSubstr("no SubjectAccessReview"));
  // What would let somebody in, and then is cut or may be.
  auto cut = allowed(true);
  cut.end = fail(ErrorKind::kSystem, "it is not whole");
  EXPECT_THAT(error_of({owner_is("a"), cut}), HasSubstr("not whole"));
  auto endless = allowed(true);
  endless.says_where_it_ends = false;
  EXPECT_THAT(error_of({owner_is("a"), endless}), HasSubstr("where it ends"));
}

TEST_F(AccessReviewerTest, TellsNobodyTheToken) {
  EXPECT_THAT(error_of({{.status = 500, .body = "secret tok"}}), ::testing::Not(HasSubstr("tok)")));
}

TEST_F(AccessReviewerTest, KeepsNothingOfAReviewThatIsOver) {
  transport_.answers = {kNobody};
  const auto kept = std::make_shared<int>();
  reviewer_->review("tok", "/", until_, [kept](const Result<AccessVerdict>&) {});
  EXPECT_GT(kept.use_count(), 1);
  context_.run();
  EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(AccessReviewerTest, HasSeveralUnderWay) {
  transport_.answers = {owner_is("a"), owner_is("b"), allowed(true), allowed(false)};
  std::vector<std::string> ended;
  for (const auto* const token : {"1", "2"}) {
    reviewer_->review(token, "/", until_, [&](const Result<AccessVerdict>& verdict) {
      ended.push_back(verdict->user + (verdict->kind == Kind::kAllowed ? " may" : " may not"));
    });
  }
  context_.run();
  EXPECT_THAT(ended, ElementsAre("a may", "b may not"));
}

}  // namespace
}  // namespace closewatch
