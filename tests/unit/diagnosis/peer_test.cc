// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/peer.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr IpAddress kV4{AddressFamily::kIpv4, {10, 0, 0, 9}};
constexpr IpAddress kV6{AddressFamily::kIpv6, {0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}};

class Sockets {
 public:
  Sockets& add(std::size_t count, Direction direction, Endpoint remote,
               std::chrono::milliseconds age = 0ms) {
    CloseWaitSocket socket;
    socket.direction = direction;
    socket.remote = remote;
    socket.age = age;
    sockets_.insert(sockets_.end(), count, socket);
    return *this;
  }
  std::vector<PeerSums> worst(std::size_t count) { return worst_peers(sockets_, 60s, count); }

 private:
  std::vector<CloseWaitSocket> sockets_;
};

TEST(WorstPeers, NamesOutboundOnesWithThePortAndInboundOnesWithout) {
  EXPECT_THAT(Sockets()
                  .add(3, Direction::kOutbound, {kV4, 443})
                  .add(1, Direction::kInbound, {kV6, 1024})
                  .add(1, Direction::kInbound, {kV6, 1025})
                  .add(1, Direction::kOutbound, {kV6, 80})
                  .worst(9),
              ElementsAre(PeerSums{Direction::kOutbound, "10.0.0.9:443", 3, 0},
                          PeerSums{Direction::kInbound, "[fd00::7]", 2, 0},
                          PeerSums{Direction::kOutbound, "[fd00::7]:80", 1, 0}));
}

TEST(WorstPeers, TellsTheSameAddressApartByDirectionAndPort) {
  EXPECT_EQ(Sockets()
                .add(1, Direction::kOutbound, {kV4, 443})
                .add(1, Direction::kOutbound, {kV4, 80})
                .add(1, Direction::kInbound, {kV4, 80})
                .worst(9)
                .size(),
            3U);
}

TEST(WorstPeers, AreThoseWithMostStuckSocketsNotWithMostSockets) {
  EXPECT_THAT(Sockets()
                  .add(100, Direction::kOutbound, {kV4, 1}, 59'999ms)
                  .add(2, Direction::kOutbound, {kV4, 2}, 60s)
                  .add(1, Direction::kOutbound, {kV4, 3}, 2h)
                  .add(5, Direction::kInbound, {kV4, 4})
                  .worst(2),
              ElementsAre(PeerSums{Direction::kOutbound, "10.0.0.9:2", 2, 2},
                          PeerSums{Direction::kOutbound, "10.0.0.9:3", 1, 1},
                          PeerSums{Direction::kInbound, kOtherPeers, 5, 0},
                          PeerSums{Direction::kOutbound, kOtherPeers, 100, 0}));
}

TEST(WorstPeers, AreNoneWithoutSockets) { EXPECT_THAT(Sockets().worst(3), IsEmpty()); }

TEST(WorstPeers, StayFewHoweverManyThereAre) {
  Sockets sockets;
  for (std::uint32_t i = 0; i < 50'000; ++i) {
    const IpAddress address{
        AddressFamily::kIpv4,
        {10, static_cast<std::uint8_t>(i >> 16U), static_cast<std::uint8_t>(i >> 8U & 0xFFU),
         static_cast<std::uint8_t>(i & 0xFFU)}};
    sockets.add(i == 30'000 ? 2 : 1, Direction::kInbound, {address, 80}, 61s);
  }
  EXPECT_THAT(sockets.worst(1),
              ElementsAre(PeerSums{Direction::kInbound, "10.0.117.48", 2, 2},
                          PeerSums{Direction::kInbound, kOtherPeers, 49'999, 49'999}));
}

TEST(MergedPeers, AddUpAndKeepToTheCount) {
  const std::vector<PeerSums> both = {{Direction::kOutbound, "a:1", 5, 5},
                                      {Direction::kOutbound, kOtherPeers, 2, 1},
                                      {Direction::kOutbound, "b:1", 4, 4},
                                      {Direction::kOutbound, "a:1", 1, 0},
                                      {Direction::kInbound, "c", 9, 9}};
  EXPECT_THAT(merged_peers(both, 2),
              ElementsAre(PeerSums{Direction::kInbound, "c", 9, 9},
                          PeerSums{Direction::kOutbound, "a:1", 6, 5},
                          PeerSums{Direction::kOutbound, kOtherPeers, 6, 5}));
}

TEST(WorstPeers, TellsAnIPv4AddressFromTheIPv6OneOfTheSameBytes) {
  constexpr IpAddress kSameBytes{AddressFamily::kIpv6, {10, 0, 0, 9}};
  EXPECT_THAT(Sockets()
                  .add(2, Direction::kOutbound, {kV4, 443})
                  .add(1, Direction::kOutbound, {kSameBytes, 443})
                  .worst(9),
              ElementsAre(PeerSums{Direction::kOutbound, "10.0.0.9:443", 2, 0},
                          PeerSums{Direction::kOutbound, "[a00:9::]:443", 1, 0}));
}

TEST(MergedPeers, RankByStuckSocketsAndPutTheRestLast) {
  const std::vector<PeerSums> all = {{Direction::kOutbound, kOtherPeers, 900, 800},
                                     {Direction::kOutbound, "many:1", 500, 1},
                                     {Direction::kOutbound, "stuck:1", 3, 3},
                                     {Direction::kOutbound, "few:1", 2, 1}};
  EXPECT_THAT(merged_peers(all, 9),
              ElementsAre(PeerSums{Direction::kOutbound, "stuck:1", 3, 3},
                          PeerSums{Direction::kOutbound, "many:1", 500, 1},
                          PeerSums{Direction::kOutbound, "few:1", 2, 1},
                          PeerSums{Direction::kOutbound, kOtherPeers, 900, 800}));
  EXPECT_THAT(merged_peers(all, 1),
              ElementsAre(PeerSums{Direction::kOutbound, "stuck:1", 3, 3},
                          PeerSums{Direction::kOutbound, kOtherPeers, 1402, 802}));
}

}  // namespace
}  // namespace closewatch
