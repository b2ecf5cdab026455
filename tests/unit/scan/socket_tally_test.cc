#include "closewatch/scan/socket_tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

SocketRow row_in(TcpState state) {
  SocketRow row;
  row.state = state;
  return row;
}

SocketRow listener(std::uint16_t port, std::uint32_t waiting, std::uint32_t limit) {
  auto row = row_in(TcpState::kListen);
  row.local.port = port;
  row.receive_queue = waiting;
  row.send_queue = limit;
  return row;
}

TEST(SocketTally, CountsEachStateOnItsOwn) {
  SocketTally tally;
  tally.restart();
  for (const auto state : kTcpStates) {
    for (std::size_t i = 0; i <= index_of(state); ++i) tally.row(row_in(state));
  }
  for (const auto state : kTcpStates) {
    EXPECT_EQ(tally.sums().states.of(state), index_of(state) + 1) << name_of(state);
  }
  EXPECT_EQ(tally.sums().states.total(), 66U);
}

TEST(SocketTally, AddsUpTheListenersOfAPort) {
  SocketTally tally;
  tally.restart();
  tally.row(listener(8080, 3, 128));
  tally.row(listener(80, 1, 10));
  tally.row(listener(8080, 2, 128));
  EXPECT_THAT(tally.sums().listeners,
              ::testing::ElementsAre(ListenBacklog{80, 1, 10}, ListenBacklog{8080, 5, 256}));
}

TEST(SocketTally, ForgetsEverythingAtRestart) {
  SocketTally tally;
  tally.restart();
  tally.row(row_in(TcpState::kCloseWait));
  tally.row(listener(80, 1, 10));
  tally.restart();
  EXPECT_EQ(tally.sums(), SocketSums{});
}

TEST(SocketSums, AddNamespacesTogether) {
  SocketTally one;
  one.restart();
  one.row(row_in(TcpState::kCloseWait));
  one.row(listener(80, 1, 10));
  auto sums = one.sums();
  sums.add(one.sums());
  EXPECT_EQ(sums.states.of(TcpState::kCloseWait), 2U);
  EXPECT_THAT(sums.listeners, ::testing::ElementsAre(ListenBacklog{80, 2, 20}));
}

}  // namespace
}  // namespace closewatch
