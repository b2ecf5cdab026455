// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/connection_tally.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

constexpr std::uint16_t kListening = 8080;
constexpr std::uint16_t kFirst = 40'000;
constexpr std::uint16_t kLast = 40'009;

IpAddress ipv4(std::uint8_t last) { return {AddressFamily::kIpv4, {10, 0, 0, last}}; }

IpAddress mapped(std::uint8_t last) {
  return {AddressFamily::kIpv6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, last}};
}

class ConnectionTallyTest : public ::testing::Test {
 protected:
  ConnectionTallyTest() {
    for (auto port = kFirst; port <= kLast; ++port) local_.set(port);
    listening_.set(kListening);
  }

  void row(TcpState state, const Endpoint& local, const Endpoint& remote) {
    SocketRow row;
    row.state = state;
    row.local = local;
    row.remote = remote;
    tally_.row(row);
  }
  /// The only peer.
  [[nodiscard]] PeerConnections peer() const {
    const auto peers = tally_.peers();
    if (peers.size() != 1) throw std::runtime_error(std::to_string(peers.size()) + " peers");
    return peers.front();
  }

  PortSet local_;
  PortSet listening_;
  ConnectionTally::Settings settings_{SocketQuery::kAllStates, 100, 100};
  ConnectionTally tally_{settings_, local_, listening_};
};

TEST_F(ConnectionTallyTest, ADestinationIsAnAddressAndAPort) {
  row(TcpState::kEstablished, {ipv4(1), kFirst}, {ipv4(9), 443});
  row(TcpState::kTimeWait, {ipv4(1), kFirst + 1}, {ipv4(9), 443});
  row(TcpState::kEstablished, {ipv4(1), kFirst}, {ipv4(9), 80});
  const auto peers = tally_.peers();
  ASSERT_EQ(peers.size(), 2U);
  const auto& https = peers.at(peers[0].peer.remote.port == 443 ? 0 : 1);
  EXPECT_EQ(https.peer, (ConnectionPeer{Direction::kOutbound, {ipv4(9), 443}}));
  EXPECT_EQ(https.states.of(TcpState::kEstablished), 1U);
  EXPECT_EQ(https.states.of(TcpState::kTimeWait), 1U);
  EXPECT_EQ(https.ports_used, 2U);
  EXPECT_EQ(tally_.total(), 3U);
}

TEST_F(ConnectionTallyTest, WhoHasComeInIsAnAddressAndUsesNoPort) {
  row(TcpState::kEstablished, {ipv4(1), kListening}, {ipv4(9), 50'001});
  row(TcpState::kCloseWait, {ipv4(1), kListening}, {ipv4(9), 50'002});
  listening_.set(kFirst);
  row(TcpState::kEstablished, {ipv4(1), kFirst}, {ipv4(9), 50'003});
  EXPECT_EQ(peer().peer, (ConnectionPeer{Direction::kInbound, {ipv4(9), 0}}));
  EXPECT_EQ(peer().states.total(), 3U);
  EXPECT_EQ(peer().ports_used, 0U);
}

TEST_F(ConnectionTallyTest, OnlyPortsThatTheKernelMayChooseAreUsedUp) {
  row(TcpState::kEstablished, {ipv4(1), kLast + 1}, {ipv4(9), 443});
  row(TcpState::kEstablished, {ipv4(1), kLast}, {ipv4(9), 443});
  EXPECT_EQ(peer().states.total(), 2U);
  EXPECT_EQ(peer().ports_used, 1U);
}

TEST_F(ConnectionTallyTest, PortsAreUsedByStatesThatNobodyAskedFor) {
  settings_.states = bit_of(TcpState::kEstablished);
  ConnectionTally tally(settings_, local_, listening_);
  SocketRow row;
  row.local = {ipv4(1), kFirst};
  row.remote = {ipv4(9), 443};
  for (const auto state : {TcpState::kEstablished, TcpState::kTimeWait, TcpState::kTimeWait}) {
    row.state = state;
    tally.row(row);
    ++row.local.port;
  }
  row.remote.port = 80;  // nothing of this is asked for
  tally.row(row);
  const auto peers = tally.peers();
  ASSERT_EQ(peers.size(), 1U);
  EXPECT_EQ(peers[0].states.total(), 1U);
  EXPECT_EQ(peers[0].ports_used, 3U);
  EXPECT_EQ(tally.total(), 1U);
  EXPECT_EQ(tally.sockets().size(), 1U);
}

TEST_F(ConnectionTallyTest, EachLocalAddressHasPortsOfItsOwn) {
  for (const auto port : {kFirst, kLast}) {
    row(TcpState::kEstablished, {ipv4(1), port}, {ipv4(9), 443});
  }
  row(TcpState::kEstablished, {ipv4(2), kFirst}, {ipv4(9), 443});
  EXPECT_EQ(peer().states.total(), 3U);
  EXPECT_EQ(peer().ports_used, 2U);
}

TEST_F(ConnectionTallyTest, AMappedAddressIsTheOneThatItIs) {
  row(TcpState::kEstablished, {mapped(1), kFirst}, {mapped(9), 443});
  row(TcpState::kEstablished, {ipv4(1), kLast}, {ipv4(9), 443});
  EXPECT_EQ(peer().ports_used, 2U);
}

TEST_F(ConnectionTallyTest, WhoListensHasNoPeer) {
  row(TcpState::kListen, {ipv4(1), kListening}, {});
  EXPECT_EQ(tally_.total(), 1U);
  EXPECT_TRUE(tally_.peers().empty());
  EXPECT_EQ(tally_.without_peer(), 0U);
}

TEST_F(ConnectionTallyTest, HasRoomForSoManyAndCountsTheRest) {
  settings_.most_sockets = 2;
  settings_.most_peers = 1;
  ConnectionTally tally(settings_, local_, listening_);
  SocketRow row;
  row.state = TcpState::kEstablished;
  row.local = {ipv4(1), kFirst};
  for (const auto remote : {9, 9, 8, 9}) {
    row.remote = {ipv4(static_cast<std::uint8_t>(remote)), 443};
    ++row.local.port;
    tally.row(row);
  }
  EXPECT_EQ(tally.total(), 4U);
  EXPECT_EQ(tally.sockets().size(), 2U);
  EXPECT_EQ(tally.without_peer(), 1U);
  ASSERT_EQ(tally.peers().size(), 1U);
  EXPECT_EQ(tally.peers()[0].states.total(), 3U);
}

TEST_F(ConnectionTallyTest, BeginsAnewWhenTheReadingDoes) {
  row(TcpState::kEstablished, {ipv4(1), kFirst}, {ipv4(9), 443});
  tally_.restart();
  EXPECT_EQ(tally_.total(), 0U);
  EXPECT_TRUE(tally_.sockets().empty());
  EXPECT_TRUE(tally_.peers().empty());
}

}  // namespace
}  // namespace closewatch
