#include "closewatch/app/routes.h"

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
    return make_routes({store_, clock_, "/metrics", clock_.wall, [this] { return alive_; }})(
        {method, path});
  }

  SnapshotStore store_;
  testing::FakeClock clock_;
  bool alive_ = true;
};

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

TEST_F(RoutesTest, HasALandingPageWithRelativeLinks) {
  const auto page = get("/");
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("href=\"metrics\""));
}

TEST_F(RoutesTest, RefusesWhatItDoesNotHave) {
  EXPECT_EQ(get("/nothing").status, 404U);
  EXPECT_EQ(get("/metrics", "POST").status, 405U);
  EXPECT_EQ(get("/metrics", "HEAD").status, 200U);
}

}  // namespace
}  // namespace closewatch
