// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/review_objects.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::vector<std::string> kNone;

std::string review(const std::string& status) {
  return R"({"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":)" + status +
         "}";
}
std::string access(const std::string& status) {
  return R"({"kind":"SubjectAccessReview","status":)" + status + "}";
}

TEST(TokenReview, AsksWhoseATokenIs) {
  EXPECT_EQ(boost::json::parse(token_review("abc\"", kNone)), boost::json::parse(R"({
      "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
      "spec": {"token": "abc\""}})"));
  EXPECT_EQ(boost::json::parse(token_review("abc", std::vector<std::string>{"a", "b"})),
            boost::json::parse(R"({
      "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
      "spec": {"token": "abc", "audiences": ["a", "b"]}})"));
}

TEST(TokenReview, TellsTheOwnerWithAllThatIsAskedForLater) {
  const auto found = parse_token_review(
      review(R"({"authenticated":true,"user":{"username":"system:serviceaccount:m:p","uid":"u-1",
                 "groups":["g1","g2"],"extra":{"pod":["p-1","p-2"],"node":["n"]}}})"),
      kNone);
  ASSERT_TRUE(found) << found.error().what;
  ASSERT_TRUE(*found);
  const auto& owner = **found;
  EXPECT_EQ(owner.user, "system:serviceaccount:m:p");
  EXPECT_EQ(owner.uid, "u-1");
  EXPECT_THAT(owner.groups, ElementsAre("g1", "g2"));
  EXPECT_THAT(owner.extra,
              ElementsAre(Pair("node", ElementsAre("n")), Pair("pod", ElementsAre("p-1", "p-2"))));
}

TEST(TokenReview, IsNobodysUnlessItSaysOtherwise) {
  for (const auto* const status :
       {R"({})", R"({"authenticated":false,"error":"invalid bearer token"})",
        R"({"authenticated":false,"user":{"username":"a"}})", R"({"user":{"username":"a"}})",
        R"({"authenticated":"true","user":{"username":"a"}})",
        R"({"authenticated":1,"user":{"username":"a"}})",
        R"({"authenticated":null,"user":{"username":"a"}})"}) {
    const auto found = parse_token_review(review(status), kNone);
    ASSERT_TRUE(found) << status;
    EXPECT_FALSE(*found) << status;
  }
}

TEST(TokenReview, IsForOneOfTheAudiences) {
  const std::vector<std::string> wanted = {"closewatch", "metrics"};
  const auto is_for = [&](const std::string& audiences) {
    const auto found = parse_token_review(
        review(R"({"authenticated":true,"user":{"username":"a"})" + audiences + "}"), wanted);
    return found && found->has_value();
  };
  EXPECT_TRUE(is_for(R"(,"audiences":["metrics"])"));
  EXPECT_FALSE(is_for(R"(,"audiences":["https://kubernetes.default.svc"])"));
  EXPECT_FALSE(is_for(R"(,"audiences":[])"));
  EXPECT_FALSE(is_for("")) << "a server that knows of no audiences";
}

TEST(TokenReview, ThatIsNoneIsAnError) {
  for (const auto& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        std::string(R"({"kind":"TokenReview"})"),
        std::string(R"({"kind":"TokenReview","status":1})"),
        std::string(R"({"kind":"Status","status":"Failure"})"),
        access(R"({"authenticated":true,"user":{"username":"a"}})"),
        review(R"({"authenticated":true})"), review(R"({"authenticated":true,"user":{}})"),
        review(R"({"authenticated":true,"user":{"username":""}})"),
        review(R"({"authenticated":true,"user":{"username":["a"]}})"), review("{}") + "x",
        std::string(100'000, '[')}) {
    const auto found = parse_token_review(text, kNone);
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().kind, ErrorKind::kMalformed) << text;
  }
}

TEST(SubjectAccessReview, AsksAsTheTokensOwner) {
  const TokenOwner owner{"alice", "u-1", {"g1", "g2"}, {{"pod", {"p-1"}}}};
  EXPECT_EQ(boost::json::parse(access_review(owner, "/metrics")), boost::json::parse(R"({
      "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
      "spec": {"user": "alice", "uid": "u-1", "groups": ["g1", "g2"], "extra": {"pod": ["p-1"]},
               "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}})"));
  EXPECT_EQ(boost::json::parse(access_review({"bob", "", {}, {}}, "/")), boost::json::parse(R"({
      "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
      "spec": {"user": "bob", "nonResourceAttributes": {"path": "/", "verb": "get"}}})"));
}

TEST(SubjectAccessReview, AllowsOnlyWhatItSaysItAllows) {
  const auto allows = [](const std::string& status) {
    const auto found = parse_access_review(access(status));
    EXPECT_TRUE(found) << status;
    return found.value_or(false);
  };
  EXPECT_TRUE(allows(R"({"allowed":true,"reason":"RBAC: allowed by …"})"));
  EXPECT_TRUE(allows(R"({"allowed":true,"denied":false})"));
  EXPECT_FALSE(allows(R"({"allowed":false})"));
  EXPECT_FALSE(allows(R"({"allowed":true,"denied":true})"));
  EXPECT_FALSE(allows(R"({"allowed":"true"})"));
  EXPECT_FALSE(allows(R"({})"));
  for (const auto& text : {std::string("{}"), review(R"({"allowed":true})"), std::string("true")}) {
    const auto found = parse_access_review(text);
    ASSERT_FALSE(found) << text;
    EXPECT_THAT(found.error().what, HasSubstr("no SubjectAccessReview"));
  }
}

}  // namespace
}  // namespace closewatch
