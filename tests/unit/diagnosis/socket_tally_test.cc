// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/socket_tally.h"

#include <optional>
#include <span>
#include <vector>

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

TEST(ListenBacklog, AdmitsOneMoreThanItsLimit) {
  EXPECT_FALSE((ListenBacklog{80, 0, 0}).is_full());
  EXPECT_TRUE((ListenBacklog{80, 1, 0}).is_full());
  EXPECT_FALSE((ListenBacklog{80, 5, 5}).is_full());
  EXPECT_TRUE((ListenBacklog{80, 6, 5}).is_full());
  EXPECT_FALSE((ListenBacklog{80, 900, std::nullopt}).is_full());
}

TEST(ListenBacklog, IsFullerByItsShareThenByItsLength) {
  const ListenBacklog empty{1000, 0, 0};
  const ListenBacklog full{2000, 6, 5};
  const ListenBacklog full_with_one{3000, 1, 0};
  const ListenBacklog long_one{4000, 100, 4096};
  EXPECT_LT(empty.fullness(), long_one.fullness());
  EXPECT_LT(long_one.fullness(), full_with_one.fullness());
  EXPECT_LT(full_with_one.fullness(), full.fullness());
  EXPECT_LT((ListenBacklog{1, 3, std::nullopt}).fullness(),
            (ListenBacklog{2, 4, std::nullopt}).fullness());
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

SocketRow close_wait_of(std::uint64_t cookie, std::optional<std::uint64_t> cgroup = {}) {
  auto row = row_in(TcpState::kCloseWait);
  row.cookie = cookie;
  row.cgroup_id = cgroup;
  return row;
}

std::vector<std::uint64_t> cookies(std::span<const CloseWaitSocket> sockets) {
  std::vector<std::uint64_t> cookies;
  for (const auto& socket : sockets) cookies.push_back(socket.cookie);
  return cookies;
}

TEST(SocketTally, KeepsThePodsOtherNamespacesWhenOneIsReadAgain) {
  SocketTally tally;
  tally.begin_pod({});
  tally.begin_namespace();
  tally.restart();
  tally.row(close_wait_of(1));
  tally.begin_namespace();
  tally.restart();
  tally.row(close_wait_of(2));
  tally.restart();  // the kernel's answer was not consistent
  tally.row(close_wait_of(3));
  EXPECT_THAT(cookies(tally.close_wait()), ::testing::ElementsAre(3U));
  EXPECT_THAT(cookies(tally.pod_close_wait()), ::testing::ElementsAre(1U, 3U));
  tally.begin_pod({});
  EXPECT_TRUE(tally.pod_close_wait().empty());
}

TEST(SocketTally, KnowsThePortsOfOneNamespaceOnly) {
  SocketTally tally;
  tally.begin_pod({});
  auto row = row_in(TcpState::kEstablished);
  row.local.port = 8080;
  tally.row(row);
  tally.row(listener(80, 0, 1));
  EXPECT_TRUE(tally.has_sockets(8080));
  EXPECT_FALSE(tally.has_sockets(80));
  tally.begin_namespace();
  EXPECT_FALSE(tally.has_sockets(8080));
}

TEST(SocketTally, FindsContainersWhateverTheOrderOfCgroups) {
  SocketTally tally;
  tally.begin_pod({{30, 0}, {10, 1}, {20, 2}});
  for (const std::uint64_t cgroup : {10U, 15U, 20U, 30U, 31U}) tally.row(close_wait_of(1, cgroup));
  tally.row(close_wait_of(1));
  std::vector<ContainerIndex> containers;
  for (const auto& socket : tally.close_wait()) containers.push_back(socket.container);
  EXPECT_THAT(containers,
              ::testing::ElementsAre(1, kNoContainer, 2, 0, kNoContainer, kNoContainer));
}

TEST(SocketTally, LearnsNothingOfTheKernelFromRemains) {
  SocketTally tally;
  tally.begin_pod({});
  tally.row(row_in(TcpState::kTimeWait));
  tally.row(row_in(TcpState::kSynRecv));
  EXPECT_FALSE(tally.saw_full_socket());
  tally.row(row_in(TcpState::kEstablished));
  EXPECT_TRUE(tally.saw_full_socket());
}

}  // namespace
}  // namespace closewatch
