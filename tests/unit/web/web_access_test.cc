// SPDX-License-Identifier: Apache-2.0
#include "closewatch/web/web_access.h"

#include <fstream>

#include "fake_reviewer.h"
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch::web {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using Kind = AccessVerdict::Kind;

class WebAccessTest : public testing::Test {
 protected:
  static http::Request request(const std::string& authorization = "Bearer tok",
                               const std::string& client = "10.0.0.1") {
    return {"GET", "/metrics", {"metrics"}, "agent", authorization, client};
  }
  void ask(const http::Request& request) {
    handler_(request,
             [this](http::Response response) { responses_.push_back(std::move(response)); });
  }
  http::Response one(const http::Request& asked) {
    responses_.clear();
    ask(asked);
    EXPECT_EQ(responses_.size(), 1U);
    return responses_.empty() ? http::Response{.status = 0, .body = ""} : responses_[0];
  }
  http::Response reviewed(const http::Request& asked, const Result<AccessVerdict>& verdict) {
    responses_.clear();
    ask(asked);
    EXPECT_EQ(reviewer_.asked.size(), 1U);
    if (!reviewer_.asked.empty()) reviewer_.say(verdict);
    EXPECT_EQ(responses_.size(), 1U);
    return responses_.empty() ? http::Response{.status = 0, .body = ""} : responses_[0];
  }
  std::uint64_t refused(Refusal refusal) {
    return access_->facts().refused.at(static_cast<std::size_t>(refusal));
  }

  boost::asio::io_context context_{1};
  FakeReviewer reviewer_;
  std::vector<std::string> warnings_;
  std::vector<std::string> seen_;  ///< what the guarded handler was handed as authorization
  std::vector<http::Response> responses_;
  std::unique_ptr<WebAccess> access_ =
      WebAccess::open(context_, {.reviewer = &reviewer_},
                      {.warn = [this](const std::string& line) { warnings_.push_back(line); }})
          .value();
  http::Handler handler_ =
      access_->guard([this](const http::Request& request, const http::Reply& reply) {
        seen_.push_back(request.authorization);
        reply({.body = "numbers\n"});
      });
};

TEST_F(WebAccessTest, LetsInWhoseTokenMayGetThePath) {
  EXPECT_EQ(reviewed(request(), AccessVerdict{Kind::kAllowed, "alice"}).body, "numbers\n");
  EXPECT_THAT(seen_, ElementsAre("")) << "the token goes no further";
  EXPECT_EQ(one(request()).status, 200U);
}

TEST_F(WebAccessTest, SaysWhatIsWantedOfWhoHasNoToken) {
  for (const auto& asked : {request(""), request("Bearer"), request("Basic YTpi")}) {
    const auto response = one(asked);
    EXPECT_EQ(response.status, 401U);
    EXPECT_THAT(response.headers,
                ElementsAre(Pair("WWW-Authenticate", R"(Bearer realm="closewatch")")));
    EXPECT_THAT(response.body, AllOf(HasSubstr("a bearer token of Kubernetes"),
                                     Not(HasSubstr("a name and a password"))));
  }
  EXPECT_EQ(reviewed(request(), AccessVerdict{Kind::kNobodys}).status, 401U);
  EXPECT_EQ(refused(Refusal::kCredentials), 4U);
}

TEST_F(WebAccessTest, NamesWhoMayNotGetWhat) {
  const auto response = reviewed(request(), AccessVerdict{Kind::kForbidden, "sa:\x1b[2J"});
  EXPECT_EQ(response.status, 403U);
  EXPECT_THAT(response.body,
              AllOf(HasSubstr("sa:?[2J may not get /metrics"), HasSubstr("nonResourceURLs")));
  EXPECT_EQ(refused(Refusal::kForbidden), 1U);
  EXPECT_THAT(warnings_, Contains(HasSubstr("may not get /metrics")));
}

TEST_F(WebAccessTest, AsksForThePathThatIsAnswered) {
  auto asked = request();
  asked.path = "/api/%761/pods";
  asked.segments = {"api", "v1", "pods"};
  ask(asked);
  EXPECT_EQ(reviewer_.asked.back().path, "/closewatch/api/v1/pods");
  asked.path = "/api%2Fv1/%2e%2e/";
  asked.segments = {"api/v1", "..", ""};
  ask(asked);
  EXPECT_EQ(reviewer_.asked.back().path, "/closewatch/api%2Fv1/%2E%2E/");
  asked.path = "/";
  asked.segments = {};
  ask(asked);
  EXPECT_EQ(reviewer_.asked.back().path, "/");
}

TEST_F(WebAccessTest, TellsTheLogAloneWhyItDoesNotKnow) {
  const auto response =
      reviewed(request(), fail(ErrorKind::kDenied, "bind system:auth-delegator to it"));
  EXPECT_EQ(response.status, 503U);
  EXPECT_THAT(response.headers, Contains(Pair("Retry-After", "5")));
  EXPECT_THAT(response.body, Not(HasSubstr("auth-delegator")));
  EXPECT_THAT(warnings_, Contains(HasSubstr("bind system:auth-delegator to it")));
  EXPECT_EQ(refused(Refusal::kNotReviewed), 1U);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(WebAccessTest, LetsInWhoComesOverAUnixSocket) {
  EXPECT_EQ(one(request("", "")).status, 200U);
}

TEST_F(WebAccessTest, RemarksThatTokensCanBeReadOnTheirWay) {
  EXPECT_THAT(warnings_, Contains(HasSubstr("plain HTTP")));
  EXPECT_EQ(check_web_config("", false)->size(), 0U);
  EXPECT_THAT(*check_web_config("", true), Contains(HasSubstr("plain HTTP")));
}

TEST_F(WebAccessTest, HasNoFileToTellOf) { EXPECT_FALSE(access_->facts().file); }

TEST_F(WebAccessTest, TakesAPasswordOrAToken) {
  const auto file = testing::TempDir() + "closewatch_web_access_test.yml";
  // Of "secret", at the lowest cost.
  std::ofstream(file) << "basic_auth_users: {alice: "
                         "'$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW'}\n";
  auto both = WebAccess::open(context_, {.file = file, .reviewer = &reviewer_}, {});
  ASSERT_TRUE(both) << both.error().what;
  handler_ = (*both)->guard([](const http::Request&, const http::Reply& reply) { reply({}); });
  EXPECT_TRUE((*both)->facts().file);
  const auto nothing = one(request(""));
  EXPECT_THAT(nothing.body, HasSubstr("a name and a password, or a bearer token"));
  EXPECT_THAT(nothing.headers,
              Contains(Pair("WWW-Authenticate", AllOf(HasSubstr("Basic "), HasSubstr("Bearer ")))));
  EXPECT_EQ(reviewed(request(), AccessVerdict{Kind::kAllowed, "a"}).status, 200U);
  responses_.clear();
  ask(request("Basic YWxpY2U6c2VjcmV0"));
  while (responses_.empty()) context_.run_one_for(std::chrono::seconds(30));
  EXPECT_EQ(responses_[0].status, 200U);
  EXPECT_EQ(reviewer_.count, 1U);
  std::remove(file.c_str());
}

}  // namespace
}  // namespace closewatch::web
