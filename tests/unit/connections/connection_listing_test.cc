// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/connection_listing.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::HasSubstr;

IpAddress address(std::uint8_t last) { return {AddressFamily::kIpv4, {10, 0, 0, last}}; }

class ConnectionListingTest : public ::testing::Test {
 protected:
  ConnectionListingTest() {
    for (std::size_t port = 40'000; port < 40'010; ++port) local_.set(port);
    snapshot_.pods.resize(2);
    for (auto& pod : snapshot_.pods) pod.pod_namespace = "shop";
    snapshot_.pods[0].name = "cart";
    snapshot_.pods[1].name = "web";
  }

  /// So many sockets of a pod towards one destination.
  void add(ConnectionListing& listing, std::size_t pod, std::uint8_t remote, unsigned count,
           TcpState state = TcpState::kEstablished) {
    ConnectionTally tally(listing.settings(), local_, listening_);
    SocketRow row;
    row.state = state;
    row.local = {address(1), 40'000};
    row.remote = {address(remote), 443};
    for (; count > 0; --count, ++row.local.port) tally.row(row);
    listing.add(pod, tally, local_);
  }

  PortSet local_;
  PortSet listening_;
  Snapshot snapshot_;
};

TEST_F(ConnectionListingTest, HasTheDestinationFirstThatUsesMostPorts) {
  ConnectionListing listing({SocketQuery::kAllStates, true});
  add(listing, 0, 8, 3);
  add(listing, 1, 9, 5);
  listing.finish();
  EXPECT_EQ(connections_table(listing, snapshot_),
            "NAMESPACE  POD   DIRECTION  PEER          SOCKETS       PORTS USED  STATES\n"
            "shop       web   outbound   10.0.0.9:443        5  5 of 10 (50.0%)  established:5\n"
            "shop       cart  outbound   10.0.0.8:443        3  3 of 10 (30.0%)  established:3\n");
  EXPECT_EQ(connections_json(listing, snapshot_).substr(0, 10), R"({"states":)");
  EXPECT_THAT(connections_json(listing, snapshot_),
              HasSubstr(R"("total":8,"cut":false,"not_listed":[],"peers":[{"namespace":"shop",)"
                        R"("pod":"web","direction":"outbound","peer":"10.0.0.9:443","sockets":5,)"
                        R"("states":{"established":5},"ports_used":5,"ports":10},)"));
}

TEST_F(ConnectionListingTest, ListsSocketsOfTheWorstDestinationFirst) {
  ConnectionListing listing({bit_of(TcpState::kSynSent) | bit_of(TcpState::kEstablished), false});
  add(listing, 0, 8, 1);
  add(listing, 1, 9, 2, TcpState::kSynSent);
  add(listing, 1, 7, 4, TcpState::kTimeWait);
  listing.leave_out({0, Visibility::kIncomplete, "why"});
  listing.finish();
  EXPECT_EQ(listing.total(), 3U);
  EXPECT_FALSE(listing.cut());
  EXPECT_FALSE(listing.is_whole());
  EXPECT_EQ(
      connections_table(listing, snapshot_),
      "NAMESPACE  POD   STATE        LOCAL           REMOTE        DIRECTION  RECV-Q  SEND-Q  PROCESS\n"
      "shop       web   syn_sent     10.0.0.1:40000  10.0.0.9:443  outbound        0       0  -\n"
      "shop       web   syn_sent     10.0.0.1:40001  10.0.0.9:443  outbound        0       0  -\n"
      "shop       cart  established  10.0.0.1:40000  10.0.0.8:443  outbound        0       0  -\n");
  EXPECT_THAT(connections_json(listing, snapshot_),
              HasSubstr(R"({"states":["established","syn_sent"],"total":3,"cut":false,)"
                        R"("not_listed":[{"namespace":"shop","pod":"cart","reason":"incomplete",)"
                        R"("detail":"why"}],"sockets":[)"));
}

TEST_F(ConnectionListingTest, IsWholeWithoutPodsThatCannotBeListedByTheirNature) {
  ConnectionListing listing({SocketQuery::kAllStates, true});
  for (const auto reason : {Visibility::kHostNetwork, Visibility::kSandboxed,
                            Visibility::kNoProcess, Visibility::kExcluded}) {
    listing.leave_out({0, reason, ""});
  }
  EXPECT_TRUE(listing.is_whole());
  listing.leave_out({1, Visibility::kHung, ""});
  EXPECT_FALSE(listing.is_whole());
}

TEST(ParseStates, TakesNamesByCommas) {
  const auto states = parse_states("syn_sent, established,syn_sent");
  ASSERT_TRUE(states) << states.error().what;
  EXPECT_EQ(*states, bit_of(TcpState::kSynSent) | bit_of(TcpState::kEstablished));
  EXPECT_EQ(parse_states("established,").error().kind, ErrorKind::kMalformed);
  EXPECT_THAT(parse_states("open").error().what,
              HasSubstr("'open' is no state; known are established, syn_sent, "));
}

TEST_F(ConnectionListingTest, SaysWhenThereAreMoreThanItLists) {
  ConnectionListing listing({SocketQuery::kAllStates, false});
  ConnectionTally tally(listing.settings(), local_, listening_);
  SocketRow row;
  row.state = TcpState::kEstablished;
  row.remote = {address(9), 443};
  for (std::size_t i = 0; i < ConnectionListing::kMost + 2; ++i) tally.row(row);
  listing.add(0, tally, local_);
  EXPECT_EQ(listing.settings().most_sockets, 0U);
  add(listing, 1, 8, 1);
  listing.finish();
  EXPECT_EQ(listing.sockets().size(), ConnectionListing::kMost);
  EXPECT_EQ(listing.total(), ConnectionListing::kMost + 3);
  EXPECT_TRUE(listing.cut());
  EXPECT_FALSE(listing.is_whole());
}

TEST_F(ConnectionListingTest, HasThoseLastThatListen) {
  ConnectionListing listing({bit_of(TcpState::kListen) | bit_of(TcpState::kEstablished), false});
  add(listing, 0, 0, 1, TcpState::kListen);
  add(listing, 1, 9, 1);
  listing.finish();
  ASSERT_EQ(listing.sockets().size(), 2U);
  EXPECT_EQ(listing.sockets()[0].socket.state, TcpState::kEstablished);
  EXPECT_EQ(listing.sockets()[1].socket.state, TcpState::kListen);
}

TEST_F(ConnectionListingTest, KnowsNoPortsOfWhoHasComeIn) {
  ConnectionListing listing({SocketQuery::kAllStates, true});
  listening_.set(40'000);
  add(listing, 0, 9, 1);
  listing.finish();
  EXPECT_THAT(connections_json(listing, snapshot_),
              HasSubstr(R"("direction":"inbound","peer":"10.0.0.9","sockets":1,)"
                        R"("states":{"established":1},"ports_used":null,"ports":null})"));
}

TEST_F(ConnectionListingTest, CountsSocketsOfPeersThatOneNamespaceHasNoRoomFor) {
  ConnectionListing listing({SocketQuery::kAllStates, true});
  ConnectionTally tally(listing.settings(), local_, listening_);
  SocketRow row;
  row.state = TcpState::kEstablished;
  for (std::size_t i = 0; i < ConnectionListing::kMost + 2; ++i) {
    row.remote = {{AddressFamily::kIpv4,
                   {11, static_cast<std::uint8_t>(i >> 16U), static_cast<std::uint8_t>(i >> 8U),
                    static_cast<std::uint8_t>(i)}},
                  80};
    tally.row(row);
  }
  EXPECT_EQ(tally.peers().size(), ConnectionListing::kMost);
  listing.add(0, tally, local_);
  listing.finish();
  EXPECT_EQ(listing.total(), ConnectionListing::kMost + 2);
  EXPECT_TRUE(listing.cut());
}

TEST_F(ConnectionListingTest, KeepsTheWorstOfMorePeersThanItLists) {
  ConnectionListing listing({SocketQuery::kAllStates, true});
  add(listing, 0, 9, 5);
  for (std::size_t round = 0; round < 2; ++round) {
    ConnectionTally tally(listing.settings(), local_, listening_);
    SocketRow row;
    row.state = TcpState::kEstablished;
    for (std::size_t i = 0; i < ConnectionListing::kMost / 2 + 1; ++i) {
      row.remote = {{AddressFamily::kIpv4,
                     {11, static_cast<std::uint8_t>(round), static_cast<std::uint8_t>(i >> 8U),
                      static_cast<std::uint8_t>(i)}},
                    80};
      tally.row(row);
    }
    listing.add(1, tally, local_);
  }
  listing.finish();
  EXPECT_EQ(listing.peers().size(), ConnectionListing::kMost);
  EXPECT_EQ(listing.peers().front().connections.states.total(), 5U);
  EXPECT_EQ(listing.total(), ConnectionListing::kMost + 2 + 5);
  EXPECT_TRUE(listing.cut());
}

}  // namespace
}  // namespace closewatch
