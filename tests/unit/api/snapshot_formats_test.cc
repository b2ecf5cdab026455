// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sample_snapshot.h"
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/api/snapshot_json.h"
#include "closewatch/present/snapshot_table.h"

namespace closewatch {
namespace {

using testing::ambient_snapshot;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::sample_listing;
using testing::sample_snapshot;

std::string json_of(const Snapshot& snapshot, const PodFilter& filter) {
  return snapshot_json(snapshot, filter, snapshot.taken_at_steady);
}

TEST(SnapshotJson, HasNodeAndPods) {
  const auto whole = boost::json::parse(json_of(sample_snapshot(), {})).as_object();
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
  const auto whole = boost::json::parse(json_of(snapshot, {})).as_object();
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
  const auto whole = boost::json::parse(json_of(sample_snapshot(), filter)).as_object();
  const auto& pods = whole.at("pods").as_array();
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].at("states").as_object().size(), 1U);
}

TEST(SnapshotJson, TellsWhenAndHow) {
  const auto whole = boost::json::parse(json_of(sample_snapshot(), {})).as_object();
  EXPECT_EQ(whole.at("scan").at("taken_at").as_string(), "2023-11-14T22:13:30.000Z");
  EXPECT_EQ(whole.at("scan").at("stuck_after_seconds").to_number<double>(), 60);
}

TEST(SnapshotJson, HasTheDiagnosis) {
  const auto whole = boost::json::parse(json_of(sample_snapshot(), {})).as_object();
  const auto& leak = whole.at("pods").at(1).at("close_wait").as_object();
  EXPECT_EQ(leak.at("sockets").to_number<int>(), 1201);
  EXPECT_EQ(leak.at("stuck").to_number<int>(), 1000);
  EXPECT_EQ(leak.at("oldest_seconds").to_number<double>(), 7380);
  EXPECT_EQ(leak.at("unread_bytes").to_number<int>(), 4096);
  EXPECT_EQ(leak.at("entered_total").to_number<int>(), 1300);
  EXPECT_EQ(leak.at("left_total").to_number<int>(), 99);
  const auto& app = leak.at("containers").at(0);
  EXPECT_EQ(app.at("container").as_string(), "app");
  EXPECT_EQ(app.at("outbound").at("close").to_number<int>(), 1100);
  EXPECT_EQ(app.at("inbound").at("read").to_number<int>(), 100);
  EXPECT_EQ(leak.at("containers").at(1).at("stuck").to_number<int>(), 0);
  const auto& peer = leak.at("peers").at(0);
  EXPECT_EQ(peer.at("peer").as_string(), "10.0.0.9:443");
  EXPECT_EQ(peer.at("direction").as_string(), "outbound");
  EXPECT_EQ(peer.at("stuck").to_number<int>(), 950);
}

TEST(SnapshotJson, NamesTheOwnersOfWhatOtherPodsHaveMade) {
  const auto whole = boost::json::parse(json_of(ambient_snapshot(), {})).as_object();
  const auto& owners = whole.at("pods").at(1).at("close_wait").at("owners").as_array();
  ASSERT_EQ(owners.size(), 2U);
  EXPECT_EQ(owners[0].at("namespace").as_string(), "istio-system");
  EXPECT_EQ(owners[0].at("pod").as_string(), "ztunnel-x7k2p");
  EXPECT_EQ(owners[0].at("container").as_string(), "istio-proxy");
  EXPECT_EQ(owners[0].at("sockets").to_number<int>(), 10);
  EXPECT_EQ(owners[0].at("stuck").to_number<int>(), 7);
  EXPECT_EQ(owners[1].at("pod").as_string(), "shell");
}

TEST(ListingJson, NamesTheOwnerOfASocketThatAnotherPodHasMade) {
  const auto snapshot = ambient_snapshot();
  const auto listing =
      boost::json::parse(listing_json(snapshot, sample_listing(snapshot, "java"))).as_object();
  const auto& own = listing.at("sockets").at(0).as_object();
  EXPECT_EQ(own.at("container").as_string(), "app");
  EXPECT_TRUE(own.at("owner").is_null());
  const auto& foreign = listing.at("sockets").at(1).as_object();
  EXPECT_EQ(foreign.at("container").as_string(), "other_pod");
  EXPECT_EQ(foreign.at("owner").at("namespace").as_string(), "debug");
  EXPECT_EQ(foreign.at("owner").at("pod").as_string(), "shell");
  EXPECT_EQ(foreign.at("owner").at("container").as_string(), "sh");
}

TEST(SnapshotTable, HasAColumnForOtherOwnersWhereThereAreSome) {
  EXPECT_THAT(snapshot_table(sample_snapshot(), {}), Not(HasSubstr("OTHER OWNER")));
  const auto table = snapshot_table(ambient_snapshot(), {});
  EXPECT_THAT(table, HasSubstr("TOP PEER             HELD  OTHER OWNER "));
  EXPECT_THAT(table, HasSubstr("  istio-system/ztunnel-x7k2p/istio-proxy (10) +1  "));
}

TEST(ListingTable, HasAColumnForOtherOwnersWhereThereAreSome) {
  const auto own = sample_snapshot();
  EXPECT_THAT(listing_table(sample_listing(own, "java")), Not(HasSubstr("OTHER OWNER")));
  const auto table = listing_table(sample_listing(ambient_snapshot(), "java"));
  EXPECT_THAT(table, HasSubstr("PROCESS  OTHER OWNER\n"));
  EXPECT_THAT(table, HasSubstr("app        77/java\n"));
  EXPECT_THAT(table, HasSubstr("other_pod  -        debug/shell/sh\n"));
}

TEST(ListingJson, HasEachSocket) {
  const auto snapshot = sample_snapshot();
  const auto whole =
      boost::json::parse(listing_json(snapshot, sample_listing(snapshot, "java"))).as_object();
  EXPECT_EQ(whole.at("total").to_number<int>(), 1231);
  EXPECT_TRUE(whole.at("cut").as_bool());
  const auto& sockets = whole.at("sockets").as_array();
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0].at("remote").as_string(), "10.0.0.9:443");
  EXPECT_EQ(sockets[0].at("process").at("comm").as_string(), "java");
  EXPECT_EQ(sockets[1].at("owes").as_string(), "accept");
  EXPECT_EQ(sockets[1].at("unread_bytes").to_number<int>(), 100);
  EXPECT_TRUE(sockets[1].at("process").is_null());
}

TEST(ListingTable, HasEverythingThatSsGaveAndMore) {
  const auto snapshot = sample_snapshot();
  EXPECT_EQ(
      listing_table(sample_listing(snapshot, "java")),
      "STATE       LOCAL           REMOTE        DIRECTION  OWES      AGE  UNREAD  CONTAINER  "
      "PROCESS\n"
      "close_wait  10.1.2.3:40000  10.0.0.9:443  outbound   close   2h03m       0  app        "
      "77/java\n"
      "close_wait  10.1.2.3:40000  10.0.0.9:443  inbound    accept   5.0s     100  unknown    "
      "-\n");
}

TEST(SnapshotTable, ShowsTheWorstFirstAndTheNodeLast) {
  EXPECT_EQ(
      snapshot_table(sample_snapshot(), {}),
      "NAMESPACE    POD           CLOSE_WAIT  STUCK  OLDEST  OWES                          "
      "DIRECTION                  TOP PEER             HELD  ESTABLISHED  LISTEN  NOT VISIBLE\n"
      "shop         cart-0              1201   1000   2h03m  accept:1 read:100 close:1100  "
      "inbound:101 outbound:1100  10.0.0.9:443 (1000)    30           17       2\n"
      "kube-system  proxy                  -      -       -                                "
      "                                                   -            -       -  host_network\n"
      "shop         web-0                  -      -       -                                "
      "                                                   -            -       -  no_process\n"
      "shop         web-0                  0      0                                        "
      "                                                   -            5       0\n"
      "unknown      uid-nameless           -      -       -                                "
      "                                                   -            -       -  denied\n"
      "-            [node]                 0                                               "
      "                                                                9       4\n");
}

TEST(SnapshotTable, HasNoCountOfAHostNetworkPodsRemains) {
  auto snapshot = sample_snapshot();
  auto& proxy = snapshot.pods[0];
  proxy.visibility = Visibility::kVisible;
  proxy.sums.states.add(TcpState::kEstablished, 3);
  PodFilter filter;
  filter.pod = "proxy";
  filter.state = TcpState::kTimeWait;
  EXPECT_EQ(snapshot_table(snapshot, filter),
            "NAMESPACE    POD    TIME_WAIT\n"
            "kube-system  proxy          -\n");
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
