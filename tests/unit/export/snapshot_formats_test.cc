#include "tests/support/sample_snapshot.h"
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/export/snapshot_json.h"
#include "closewatch/export/snapshot_table.h"

namespace closewatch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::sample_snapshot;

TEST(SnapshotJson, HasNodeAndPods) {
  const auto whole = boost::json::parse(snapshot_json(sample_snapshot(), {})).as_object();
  EXPECT_EQ(whole.at("node").at("states").at("listen").to_number<int>(), 4);
  const auto& pods = whole.at("pods").as_array();
  ASSERT_EQ(pods.size(), 5U);
  const auto& cart = pods[1].as_object();
  EXPECT_EQ(cart.at("namespace").as_string(), "shop");
  EXPECT_EQ(cart.at("pod").as_string(), "cart-0");
  EXPECT_EQ(cart.at("uid").as_string(), "uid-cart");
  EXPECT_TRUE(cart.at("visible").as_bool());
  EXPECT_EQ(cart.at("states").as_object().size(), kTcpStateCount);
  EXPECT_EQ(cart.at("states").at("close_wait").to_number<int>(), 1201);
  EXPECT_EQ(cart.at("states").at("closing").to_number<int>(), 0);
  EXPECT_EQ(cart.at("listeners").as_array().size(), 2U);
  EXPECT_EQ(cart.at("listeners").at(0).at("port").to_number<int>(), 8080);
  EXPECT_EQ(cart.at("listeners").at(0).at("backlog").to_number<int>(), 3);
  EXPECT_EQ(cart.at("listeners").at(0).at("limit").to_number<int>(), 128);
}

TEST(SnapshotJson, HasNoNumbersForWhatWasNotCounted) {
  auto snapshot = sample_snapshot();
  snapshot.node.reset();
  const auto whole = boost::json::parse(snapshot_json(snapshot, {})).as_object();
  EXPECT_FALSE(whole.at("node").at("visible").as_bool());
  EXPECT_FALSE(whole.at("node").as_object().contains("states"));
  const auto& nameless = whole.at("pods").at(4).as_object();
  EXPECT_FALSE(nameless.at("visible").as_bool());
  EXPECT_EQ(nameless.at("reason").as_string(), "denied");
  EXPECT_FALSE(nameless.contains("states"));
}

TEST(SnapshotJson, Filters) {
  PodFilter filter;
  filter.pod = "cart-0";
  filter.state = TcpState::kCloseWait;
  const auto whole = boost::json::parse(snapshot_json(sample_snapshot(), filter)).as_object();
  const auto& pods = whole.at("pods").as_array();
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].at("states").as_object().size(), 1U);
}

TEST(SnapshotTable, ShowsTheWorstFirstAndTheNodeLast) {
  EXPECT_EQ(snapshot_table(sample_snapshot(), {}),
            "NAMESPACE    POD           ESTABLISHED  CLOSE_WAIT  LISTEN  NOT VISIBLE\n"
            "shop         cart-0                 17        1201       2\n"
            "kube-system  proxy                   -           -       -  host_network\n"
            "shop         web-0                   -           -       -  no_process\n"
            "shop         web-0                   5           0       0\n"
            "unknown      uid-nameless            -           -       -  denied\n"
            "-            [node]                  9           0       4\n");
}

TEST(SnapshotTable, ShowsOneStateAndKeepsWhatIsUnknown) {
  PodFilter filter;
  filter.state = TcpState::kCloseWait;
  const auto table = snapshot_table(sample_snapshot(), filter);
  EXPECT_THAT(table, HasSubstr("cart-0"));
  EXPECT_THAT(table, HasSubstr("uid-nameless"));
  EXPECT_THAT(table, Not(HasSubstr("ESTABLISHED")));
}

TEST(SnapshotTable, LeavesTheNodeOutWhenAPodIsAskedFor) {
  PodFilter filter;
  filter.pod_namespace = "shop";
  const auto table = snapshot_table(sample_snapshot(), filter);
  EXPECT_THAT(table, Not(HasSubstr("[node]")));
  EXPECT_THAT(table, Not(HasSubstr("kube-system")));
}

}  // namespace
}  // namespace closewatch
