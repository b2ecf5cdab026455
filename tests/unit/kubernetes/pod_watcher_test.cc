// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_watcher.h"

#include <deque>
#include <functional>

#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// What the API server is to answer to one request.
struct Answer {
  unsigned status = 200;
  std::vector<std::string> pieces = {};
  Result<void> end = {};
  std::optional<std::chrono::seconds> retry_after = std::nullopt;
};

/// Answers as it was told, each request in its turn; stays silent when it has no more answers.
class FakeApiTransport final : public ApiTransport {
 public:
  explicit FakeApiTransport(boost::asio::io_context& context) : context_(context) {}

  void ask(const ApiRequest& request, http::Receiver& receiver) override {
    targets.push_back(request.target);
    accepted.push_back(request.accept);
    has_end.push_back(request.until.has_value());
    if (answers.empty()) {
      context_.stop();
      return;
    }
    auto answer = std::move(answers.front());
    answers.pop_front();
    boost::asio::post(context_, [answer = std::move(answer), &receiver] {
      if (answer.status != 0) receiver.on_answer({answer.status, answer.retry_after, "", true});
      for (const auto& piece : answer.pieces) {
        if (!receiver.on_body(piece)) return receiver.on_end({});
      }
      receiver.on_end(answer.end);
    });
  }

  std::deque<Answer> answers;
  std::vector<std::string> targets;
  std::vector<std::string> accepted;
  std::vector<bool> has_end;  ///< whether it is given up some time, however much comes

 private:
  boost::asio::io_context& context_;
};

std::string pod(const std::string& name, const std::string& version) {
  return R"({"metadata":{"namespace":"shop","name":")" + name + R"(","uid":"uid-)" + name +
         R"(","resourceVersion":")" + version + "\"}}";
}

Answer page(const std::string& items, const std::string& version, const std::string& next = "") {
  return {.pieces = {R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + next +
                     R"("},"items":[)" + items + "]}"}};
}

std::string event_line(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

const std::string kGoneEvent = event_line("ERROR", R"({"code":410,"message":"too old"})");

class PodWatcherTest : public ::testing::Test {
 protected:
  /// Runs until the server has no answer left.
  void run(std::deque<Answer> answers, std::chrono::milliseconds slowest_retry = 2ms) {
    transport_.answers = std::move(answers);
    PodWatcher watcher(
        context_, transport_, directory_,
        {.node = "n1", .first_retry = 1ms, .slowest_retry = slowest_retry, .seed = 1});
    watcher.start();
    context_.run();
  }
  [[nodiscard]] bool knows(const std::string& name) const {
    return directory_.find("uid-" + name).has_value();
  }
  [[nodiscard]] std::string trouble() const {
    const auto state = directory_.state();
    return state ? "" : state.error().what;
  }

  boost::asio::io_context context_{1};
  FakeApiTransport transport_{context_};
  PodDirectory directory_;
};

auto list_request() { return AllOf(HasSubstr("limit=500"), Not(HasSubstr("watch=1"))); }
auto watch_from(const std::string& version) {
  return AllOf(HasSubstr("watch=1"), HasSubstr("&resourceVersion=" + version + "&"));
}

TEST_F(PodWatcherTest, ListsOnlyItsNodesPodsAndWatchesFromThere) {
  run({page(pod("a", "1"), "5")});
  EXPECT_THAT(
      transport_.targets,
      ElementsAre("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1&limit=500&resourceVersion=0",
                  "/api/v1/pods?watch=1&allowWatchBookmarks=true&fieldSelector="
                  "spec.nodeName%3Dn1&resourceVersion=5&timeoutSeconds=300"));
  EXPECT_THAT(transport_.accepted,
              ElementsAre(StartsWith("application/json;as=PartialObjectMetadataList;"),
                          StartsWith("application/json;as=PartialObjectMetadata;")));
  EXPECT_TRUE(knows("a"));
  EXPECT_EQ(trouble(), "");
}

TEST_F(PodWatcherTest, WaitsForNeitherListNorWatchForEver) {
  run({page(pod("a", "1"), "5"), {.pieces = {event_line("BOOKMARK", pod("", "6"))}}});
  EXPECT_THAT(transport_.has_end, ElementsAre(true, true, true));
}

TEST_F(PodWatcherTest, ListsPageByPage) {
  (void)directory_.put({"uid-old", "", {"shop", "old", "", ""}});
  run({page(pod("a", "1"), "5", "x/="), page(pod("b", "2"), "5")});
  EXPECT_THAT(transport_.targets,
              ElementsAre(list_request(), HasSubstr("&continue=x%2F%3D"), watch_from("5")));
  EXPECT_TRUE(knows("a"));
  EXPECT_TRUE(knows("b"));
  EXPECT_FALSE(knows("old"));
}

TEST_F(PodWatcherTest, PublishesNoHalfList) {
  (void)directory_.put({"uid-old", "", {"shop", "old", "", ""}});
  run({page(pod("a", "1"), "5", "next"), {.status = 503}});
  EXPECT_TRUE(knows("old"));
  EXPECT_FALSE(knows("a"));
  EXPECT_THAT(transport_.targets.back(), HasSubstr("resourceVersion=0"));  // from the beginning
}

TEST_F(PodWatcherTest, FollowsTheEvents) {
  const auto events = event_line("ADDED", pod("b", "6")) + event_line("DELETED", pod("a", "7")) +
                      event_line("MODIFIED", pod("c", "8"));
  run({page(pod("a", "1"), "5"), {.pieces = {events}}});
  EXPECT_FALSE(knows("a"));
  EXPECT_TRUE(knows("b"));
  EXPECT_TRUE(knows("c"));
  EXPECT_THAT(transport_.targets.back(), watch_from("8"));
}

TEST_F(PodWatcherTest, GoesOnWhereACutWatchWas) {
  const auto events = event_line("ADDED", pod("b", "6")) +
                      event_line("BOOKMARK", R"({"metadata":{"resourceVersion":"9"}})");
  const auto half = event_line("DELETED", pod("b", "10"));
  run({page("", "5"),
       {.pieces = {events, half.substr(0, half.size() - 3)},
        .end = fail(ErrorKind::kSystem, "stream truncated")},
       {.pieces = {event_line("ADDED", pod("c", "11"))}}});
  EXPECT_THAT(transport_.targets,
              ElementsAre(list_request(), watch_from("5"), watch_from("9"), watch_from("11")));
  EXPECT_TRUE(knows("b"));
  EXPECT_TRUE(knows("c"));
  EXPECT_EQ(trouble(), "");
}

TEST_F(PodWatcherTest, ListsAnewWhatTheServerHasForgotten) {
  run({page(pod("a", "1"), "5"), {.pieces = {kGoneEvent}}, page(pod("b", "8"), "9")});
  EXPECT_THAT(transport_.targets,
              ElementsAre(list_request(), watch_from("5"),
                          AllOf(list_request(), Not(HasSubstr("Version=0"))), watch_from("9")));
  EXPECT_FALSE(knows("a"));
  EXPECT_TRUE(knows("b"));
}

TEST_F(PodWatcherTest, ListsAnewWhenTheWatchItselfIsRefusedAsTooOld) {
  run({page("", "5"), {.status = 410, .pieces = {R"({"message":"too old"})"}}, page("", "9")});
  EXPECT_THAT(transport_.targets,
              ElementsAre(list_request(), watch_from("5"), list_request(), watch_from("9")));
}

TEST_F(PodWatcherTest, ListsFromTheBeginningWhenAPageHasExpired) {
  run({page(pod("a", "1"), "5", "next"), {.status = 410}, page(pod("b", "2"), "6")});
  EXPECT_THAT(
      transport_.targets,
      ElementsAre(list_request(), HasSubstr("continue=next"),
                  AllOf(Not(HasSubstr("continue")), Not(HasSubstr("Version=0"))), watch_from("6")));
  EXPECT_FALSE(knows("a"));
  EXPECT_TRUE(knows("b"));
}

TEST_F(PodWatcherTest, TriesAgainWhateverGoesWrongAndKeepsWhatItKnows) {
  const std::vector<std::pair<Answer, std::string>> table = {
      {{.status = 0, .end = fail(ErrorKind::kSystem, "connecting to x")}, "connecting to x"},
      {{.status = 401, .pieces = {R"({"message":"Unauthorized"})"}}, "401: Unauthorized"},
      {{.status = 403, .pieces = {R"({"message":"forb)", R"(idden"})"}}, "403: forbidden): bind"},
      {{.status = 429}, "429 (no reason given)"},
      {{.status = 500, .pieces = {"<html>"}}, "500"},
      {{.status = 503}, "503"},
      {{.pieces = {"{"}}, "no JSON"},
      {{.pieces = {"{}"}}, "resourceVersion"},
      {{.pieces = {"{\"meta"}, .end = fail(ErrorKind::kSystem, "cut")}, "cut"},
  };
  for (const auto& [answer, why] : table) {
    (void)directory_.put({"uid-old", "", {"shop", "old", "", ""}});
    context_.restart();
    transport_.targets.clear();
    run({answer});
    EXPECT_THAT(trouble(), HasSubstr(why));
    EXPECT_TRUE(knows("old")) << why;
    EXPECT_THAT(transport_.targets, ElementsAre(list_request(), list_request())) << why;

    context_.restart();
    run({answer, page(pod("a", "1"), "5")});
    EXPECT_EQ(trouble(), "") << why;
    EXPECT_TRUE(knows("a")) << why;
  }
}

TEST_F(PodWatcherTest, TriesAWatchAgainFromTheSameVersion) {
  const std::vector<std::pair<Answer, std::string>> table = {
      {{.status = 0, .end = fail(ErrorKind::kSystem, "refused")}, "refused"},
      {{.status = 403}, "403"},
      {{.pieces = {"{\n"}}, "no JSON"},
      {{.pieces = {event_line("ERROR", R"({"code":500,"message":"etcd"})")}}, "etcd"},
      {{.pieces = {std::string(5U << 20U, 'x')}}, "no JSON"},
  };
  for (const auto& [answer, why] : table) {
    context_.restart();
    transport_.targets.clear();
    run({page(pod("a", "1"), "5"), answer});
    EXPECT_THAT(trouble(), HasSubstr(why));
    EXPECT_TRUE(knows("a"));
    EXPECT_THAT(transport_.targets, ElementsAre(list_request(), watch_from("5"), watch_from("5")));
  }
}

TEST_F(PodWatcherTest, IsInTroubleNoMoreWhenAWatchIsTakenAgain) {
  run({page(pod("a", "1"), "5"),
       {.status = 0, .end = fail(ErrorKind::kSystem, "refused")},
       {.pieces = {}}});
  EXPECT_EQ(trouble(), "");
}

TEST_F(PodWatcherTest, StaysInTroubleUntilAGoodEventAfterABadOne) {
  run({page("", "5"), {.pieces = {"{\n"}}, {.pieces = {}}});
  EXPECT_THAT(trouble(), HasSubstr("no JSON"));
  context_.restart();
  run({page("", "5"), {.pieces = {"{\n"}}, {.pieces = {event_line("ADDED", pod("a", "6"))}}});
  EXPECT_EQ(trouble(), "");
}

TEST_F(PodWatcherTest, TrustsTheServersMemoryAgainAfterAFreshList) {
  run({page("", "5"), {.pieces = {kGoneEvent}}, page("", "6"), {.pieces = {kGoneEvent}}});
  EXPECT_THAT(transport_.targets,
              ElementsAre(HasSubstr("Version=0"), watch_from("5"), Not(HasSubstr("Version=0")),
                          watch_from("6"), Not(HasSubstr("Version=0"))));
  context_.restart();
  transport_.targets.clear();
  run({page("", "5"), {.status = 410}, page("", "6"), {.status = 500}});
  EXPECT_THAT(transport_.targets.back(), watch_from("6"));
}

TEST_F(PodWatcherTest, ReadsNoListWithoutEnd) {
  (void)directory_.put({"uid-old", "", {"shop", "old", "", ""}});
  std::deque<Answer> pages(100, page("", "5", "next"));
  pages.push_back(page(pod("a", "1"), "6"));
  run(std::move(pages));
  EXPECT_EQ(transport_.targets.size(), 102U);
  EXPECT_THAT(transport_.targets.at(100), Not(HasSubstr("continue=")));
  EXPECT_TRUE(knows("a"));

  context_.restart();
  std::string many;
  for (int i = 0; i < 5000; ++i) many += (i > 0 ? "," : "") + pod(std::to_string(i), "1");
  run({page(many, "5", "next"), page(many, "5")});
  EXPECT_THAT(trouble(), HasSubstr("more than 8192 pods"));
  EXPECT_TRUE(knows("a"));
  EXPECT_FALSE(knows("1"));
}

TEST_F(PodWatcherTest, ListsAnewWhenAWatchTellsOfMorePodsThanThereCanBe) {
  std::string events;
  for (int i = 0; i < 9000; ++i) events += event_line("ADDED", pod(std::to_string(i), "6"));
  run({page(pod("a", "1"), "5"), {.pieces = {events}}});
  EXPECT_THAT(trouble(), HasSubstr("more than 8192 pods"));
  EXPECT_TRUE(knows("a"));
  EXPECT_FALSE(knows("8999"));
  context_.restart();
  transport_.targets.clear();
  run({page(pod("a", "1"), "5"), {.pieces = {events}}, page(pod("b", "2"), "7")});
  EXPECT_THAT(transport_.targets,
              ElementsAre(list_request(), watch_from("5"), list_request(), watch_from("7")));
  EXPECT_FALSE(knows("1"));
  EXPECT_EQ(trouble(), "");
}

TEST_F(PodWatcherTest, WaitsLongestAfterAFlood) {
  const auto flood = fail(ErrorKind::kOverLimit, "more than 9 bytes");
  const auto before = std::chrono::steady_clock::now();
  run({page("", "5"), {.pieces = {event_line("ADDED", pod("b", "6"))}, .end = flood}}, 300ms);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 300ms);
  EXPECT_THAT(trouble(), HasSubstr("more than 9 bytes"));
  EXPECT_THAT(transport_.targets.back(), watch_from("6"));
  EXPECT_TRUE(knows("b"));
}

TEST_F(PodWatcherTest, WaitsAsLongAsTheServerAsks) {
  const auto before = std::chrono::steady_clock::now();
  run({{.status = 429, .retry_after = 1s}});
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1s);
}

TEST_F(PodWatcherTest, AsksMoreAndMoreSeldomAServerThatListsButNeverWatches) {
  std::deque<Answer> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(page("", "5"));
    answers.push_back({.status = 410});
  }
  const auto before = std::chrono::steady_clock::now();
  run(std::move(answers), 1s);
  EXPECT_GE(std::chrono::steady_clock::now() - before,
            (1ms + 2ms + 4ms + 8ms + 16ms + 32ms + 64ms + 128ms) / 2);
}

}  // namespace
}  // namespace closewatch
