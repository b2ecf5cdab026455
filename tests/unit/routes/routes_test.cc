// SPDX-License-Identifier: Apache-2.0
#include "closewatch/routes/routes.h"

#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::HasSubstr;
using testing::sample_snapshot;

class RoutesTest : public ::testing::Test {
 protected:
  http::Response get(const std::string& path, const std::string& method = "GET") {
    return ask(routes(), path, method);
  }

  /// The body is whole in it.
  static http::Response ask(const http::Handler& handler, const std::string& path,
                            const std::string& method = "GET") {
    std::optional<http::Response> answer;
    handler({method, path, segments_of(path)},
            [&](http::Response response) { answer = std::move(response); });
    if (!answer) throw std::logic_error("no answer");
    answer->body = http::text_of(*answer);
    return *answer;
  }

  http::Handler routes() {
    return make_routes({store_, clock_, "node-a", "/metrics", clock_.wall,
                        [this] { return alive_; },
                        [](std::string_view host) { return host == "known"; }, socket_detail_,
                        [this](const auto& snapshot, const auto& pod_namespace, const auto& pod,
                               const auto& done) {
                          ++listings_asked_;
                          done(std::make_shared<const SocketListing>(list_sockets(
                              find_namesakes(*snapshot, pod_namespace, pod),
                              [](const Pod&, const auto&) { return SocketOwnerList{}; })));
                        }});
  }

  static std::vector<std::string> segments_of(const std::string& path) {
    std::vector<std::string> segments;
    std::istringstream stream(path.substr(1));
    for (std::string segment; std::getline(stream, segment, '/');) segments.push_back(segment);
    return segments;
  }

  SnapshotStore store_;
  testing::FakeClock clock_;
  bool alive_ = true;
  bool socket_detail_ = true;
  int listings_asked_ = 0;
};

/// A header's value; empty when the answer does not have it.
std::string header(const http::Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST_F(RoutesTest, ServesTheLastSnapshotAtTheTelemetryPath) {
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  const auto response = get("/metrics");
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("closewatch_pod_sockets"));
}

TEST_F(RoutesTest, IsHealthyAsLongAsTheLoopLives) {
  EXPECT_EQ(get("/healthz").status, 200U);
  alive_ = false;
  EXPECT_EQ(get("/healthz").status, 503U);
}

TEST_F(RoutesTest, IsReadyAfterTheFirstScan) {
  EXPECT_EQ(get("/readyz").status, 503U);
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  EXPECT_EQ(get("/readyz").status, 200U);
}

TEST_F(RoutesTest, HasALivePageWithRelativeLinks) {
  const auto page = get("/");
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("href=\"metrics\""));
  EXPECT_THAT(page.body, HasSubstr("node-a"));
  EXPECT_EQ(get("/page/page.css").content_type, "text/css; charset=utf-8");
  EXPECT_EQ(get("/page/page.js").content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/page/icon.svg").content_type, "image/svg+xml");
  for (const auto* const nothing : {"/page", "/page/", "/page/pods", "/page/pods/shop/cart-0/x"}) {
    EXPECT_EQ(get(nothing).status, 404U) << nothing;
  }
}

TEST_F(RoutesTest, AllowsThePageNothingButTheAgentsOwnFiles) {
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  for (const auto* const path :
       {"/", "/page/pods/shop/cart-0", "/page/page.js", "/page/icon.svg"}) {
    const auto policy = header(get(path), "Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self'; style-src 'self'"))
        << path;
    EXPECT_THAT(policy, ::testing::Not(HasSubstr("unsafe"))) << path;
  }
}

TEST_F(RoutesTest, ThePageTellsItsAgeBesideTheWrittenSnapshot) {
  EXPECT_EQ(header(get("/"), "Closewatch-Scan-Age"), "");
  const auto snapshot = sample_snapshot();
  store_.publish(std::make_shared<const Snapshot>(snapshot));
  clock_.steady = snapshot.taken_at_steady + std::chrono::milliseconds(2500);
  EXPECT_EQ(header(get("/"), "Closewatch-Scan-Age"), "2.500");
  EXPECT_EQ(header(get("/"), "Closewatch-Scan-Interval"), "10.000");
}

TEST_F(RoutesTest, WritesDownOncePerSnapshotHoweverManyAsk) {
  const auto snapshot = sample_snapshot();
  clock_.steady = snapshot.taken_at_steady;
  store_.publish(std::make_shared<const Snapshot>(snapshot));
  const auto handler = routes();
  const auto ask = [&](const std::string& path) { return RoutesTest::ask(handler, path); };
  const std::vector<std::string> paths = {
      "/",        "/page/pods/shop/cart-0", "/api/v1/pods",
      "/metrics", "/api/v1/pods.tsv",       "/api/v1/pods/shop/cart-0/sockets"};
  std::vector<std::shared_ptr<const http::Content>> first;
  first.reserve(paths.size());
  for (const auto& path : paths) first.push_back(ask(path).front);
  for (int i = 0; i < 50; ++i) {
    for (std::size_t j = 0; j < paths.size(); ++j) EXPECT_EQ(ask(paths[j]).front, first[j]);
    EXPECT_THAT(ask("/page/pods/shop/cart-0").body, HasSubstr("of 1231"));
  }
  EXPECT_EQ(listings_asked_, 2);

  auto next = sample_snapshot();
  next.pods[1].sums.states.add(TcpState::kCloseWait);
  store_.publish(std::make_shared<const Snapshot>(next));
  EXPECT_THAT(ask("/").body, HasSubstr(">1202<"));
  EXPECT_THAT(ask("/page/pods/shop/cart-0").body, HasSubstr("of 1232"));
  EXPECT_EQ(listings_asked_, 3);

  clock_.steady = next.taken_at_steady + 4 * next.interval;
  EXPECT_THAT(ask("/").body, HasSubstr("The data is old"));
  alive_ = false;
  EXPECT_THAT(ask("/").body, HasSubstr("stopped making progress"));
}

TEST_F(RoutesTest, KeepsAFewPagesOnly) {
  constexpr int kPods = 20;
  constexpr int kKept = 8;
  auto snapshot = sample_snapshot();
  for (int i = 0; i < kPods; ++i) {
    auto& pod = snapshot.pods.emplace_back(snapshot.pods[1]);
    pod.pod_namespace = "zoo";
    pod.name = "cart-" + std::to_string(100 + i);
  }
  store_.publish(std::make_shared<const Snapshot>(snapshot));
  const auto handler = routes();
  const auto ask_for_all = [&] {
    for (int i = 0; i < kPods; ++i) {
      const auto path = "/page/pods/zoo/cart-" + std::to_string(100 + i);
      EXPECT_EQ(ask(handler, path).status, 200U);
    }
  };
  ask_for_all();
  EXPECT_EQ(listings_asked_, kPods);
  ask_for_all();
  EXPECT_GE(listings_asked_, kPods + kPods - kKept);
}

TEST_F(RoutesTest, ThePageOfAPodFollowsTheSocketSetting) {
  EXPECT_EQ(get("/page/pods/shop/cart-0").status, 404U);
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  EXPECT_THAT(get("/page/pods/shop/cart-0").body, HasSubstr("10.1.2.3:40000"));
  EXPECT_EQ(get("/page/pods/shop/none").status, 404U);
  socket_detail_ = false;
  EXPECT_THAT(get("/page/pods/shop/cart-0").body, HasSubstr("api.socket_detail is false"));
  EXPECT_EQ(listings_asked_, 1);
}

TEST_F(RoutesTest, AnswersTheApiFromTheLastSnapshot) {
  EXPECT_EQ(get("/api/v1/pods").status, 503U);
  auto snapshot = sample_snapshot();
  clock_.steady = snapshot.taken_at_steady;
  store_.publish(std::make_shared<const Snapshot>(std::move(snapshot)));
  const auto pods = get("/api/v1/pods");
  EXPECT_EQ(pods.status, 200U);
  EXPECT_EQ(pods.content_type, "application/json");
  EXPECT_THAT(pods.body, HasSubstr(R"("pod":"cart-0")"));
  const auto sockets = get("/api/v1/pods/shop/cart-0/sockets");
  EXPECT_EQ(sockets.status, 200U);
  EXPECT_THAT(sockets.body, HasSubstr(R"("total":1231,"cut":true)"));
  EXPECT_EQ(get("/api/v1/pods/shop/none/sockets").status, 404U);
  EXPECT_EQ(get("/api/v1/pods/shop/cart-0").status, 404U);
  EXPECT_EQ(get("/api/v2/pods").status, 404U);
}

TEST_F(RoutesTest, AnswersTheApiInTabSeparatedValues) {
  EXPECT_EQ(get("/api/v1/agent.tsv").status, 503U);
  auto snapshot = sample_snapshot();
  clock_.steady = snapshot.taken_at_steady;
  store_.publish(std::make_shared<const Snapshot>(std::move(snapshot)));
  for (const auto* const path :
       {"/api/v1/pods.tsv", "/api/v1/pods/shop/cart-0/sockets.tsv", "/api/v1/agent.tsv"}) {
    const auto answer = get(path);
    EXPECT_EQ(answer.status, 200U) << path;
    EXPECT_EQ(answer.content_type, "text/tab-separated-values; charset=utf-8") << path;
    EXPECT_THAT(answer.body, HasSubstr("\n#end\t")) << path;
  }
  for (const auto* const path : {"/api/v1/agent", "/api/v1/nothing.tsv", "/api/v2/pods.tsv",
                                 "/api/pods.tsv", "/api/v1/pods.tsv/shop/cart-0/sockets"}) {
    EXPECT_EQ(get(path).status, 404U) << path;
  }
}

TEST_F(RoutesTest, RefusesInABareSentenceWhereNoJsonIsRead) {
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  const auto none = get("/api/v1/pods/shop/no\tne/sockets.tsv");
  EXPECT_EQ(none.status, 404U);
  EXPECT_EQ(none.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(none.body, "no pod shop/no?ne on this node\n");
  socket_detail_ = false;
  const auto refused = get("/api/v1/pods/shop/cart-0/sockets.tsv");
  EXPECT_EQ(refused.status, 403U);
  EXPECT_EQ(refused.body, "single sockets are not listed here: api.socket_detail is false\n");
}

TEST_F(RoutesTest, ListsNoSocketsOfAStaleSnapshot) {
  const auto snapshot = sample_snapshot();
  store_.publish(std::make_shared<const Snapshot>(snapshot));
  clock_.steady = snapshot.taken_at_steady + 4 * snapshot.interval;
  const auto sockets = get("/api/v1/pods/shop/cart-0/sockets");
  EXPECT_THAT(sockets.body, HasSubstr(R"("visible":false,"reason":"stale")"));
  EXPECT_THAT(get("/api/v1/pods").body, HasSubstr(R"("reason":"stale")"));
  EXPECT_THAT(get("/api/v1/pods").body, ::testing::Not(HasSubstr("states")));
  EXPECT_THAT(get("/api/v1/pods/shop/cart-0/sockets.tsv").body, HasSubstr("\n#hidden\tstale\t"));
  EXPECT_THAT(get("/api/v1/pods.tsv").body, HasSubstr("\tfalse\tstale\t"));
}

TEST_F(RoutesTest, ListsNoSocketsWhereThatIsOff) {
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  socket_detail_ = false;
  const auto sockets = get("/api/v1/pods/shop/cart-0/sockets");
  EXPECT_EQ(sockets.status, 403U);
  EXPECT_THAT(sockets.body, HasSubstr("api.socket_detail"));
  EXPECT_EQ(get("/api/v1/pods").status, 200U);
}

TEST_F(RoutesTest, TellsStrangersNothingButThatItLives) {
  store_.publish(std::make_shared<const Snapshot>(sample_snapshot()));
  const auto handler = routes();
  for (const std::string path : {"/", "/metrics", "/api/v1/pods", "/page/page.js", "/healthz"}) {
    const auto status_for = [&](const std::string& host) {
      unsigned status = 0;
      handler({"GET", path, segments_of(path), host}, [&](const http::Response& response) {
        status = response.status;
        if (status != 200) {
          EXPECT_THAT(response.body, HasSubstr("web.allowed-hosts"));
        }
      });
      return status;
    };
    EXPECT_EQ(status_for("known"), 200U) << path;
    EXPECT_EQ(status_for(""), 200U) << path;
    EXPECT_EQ(status_for("evil.example"), path == "/healthz" ? 200U : 421U) << path;
  }
}

TEST_F(RoutesTest, RefusesWhatItDoesNotHave) {
  EXPECT_EQ(get("/nothing").status, 404U);
  EXPECT_EQ(get("/metrics", "POST").status, 405U);
  EXPECT_EQ(get("/metrics", "HEAD").status, 200U);
}

}  // namespace
}  // namespace closewatch
