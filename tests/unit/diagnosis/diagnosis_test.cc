// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

Container container(const std::string& name, const std::string& id = "") {
  Container made;
  made.id = id;
  made.name = name;
  return made;
}

CloseWaitSocket socket(ContainerIndex container, std::chrono::milliseconds age,
                       Direction direction = Direction::kOutbound,
                       OwedCall owes = OwedCall::kClose) {
  CloseWaitSocket made;
  made.container = container;
  made.age = age;
  made.direction = direction;
  made.owes = owes;
  return made;
}

std::vector<std::string> labels(const Diagnosis& diagnosis) {
  std::vector<std::string> labels;
  for (const auto& container : diagnosis.containers) labels.push_back(container.container);
  return labels;
}

TEST(Diagnose, SplitsByContainerDirectionAndOwedCall) {
  std::vector<CloseWaitSocket> sockets = {socket(0, 0s), socket(0, 61s),
                                          socket(0, 60s, Direction::kInbound, OwedCall::kAccept),
                                          socket(1, 1s, Direction::kInbound, OwedCall::kRead)};
  const auto diagnosis = diagnose(sockets, {container("web"), container("log")}, {});
  ASSERT_EQ(diagnosis.containers.size(), 2U);
  const auto& log = diagnosis.containers[0];
  const auto& web = diagnosis.containers[1];
  EXPECT_EQ(web.container, "web");
  EXPECT_EQ(web.of(Direction::kOutbound, OwedCall::kClose), 2U);
  EXPECT_EQ(web.of(Direction::kInbound, OwedCall::kAccept), 1U);
  EXPECT_EQ(web.stuck, 2U);
  EXPECT_EQ(log.of(Direction::kInbound, OwedCall::kRead), 1U);
  EXPECT_EQ(log.stuck, 0U);
  EXPECT_EQ(diagnosis.stuck(), 2U);
  EXPECT_EQ(diagnosis.of(Direction::kInbound), 2U);
  EXPECT_EQ(diagnosis.of(OwedCall::kClose), 2U);
  EXPECT_EQ(diagnosis.oldest, 61s);
}

TEST(Diagnose, HasTrueZeros) {
  const auto diagnosis = diagnose({}, {container("web"), container("")}, {});
  EXPECT_THAT(diagnosis.containers, ElementsAre(ContainerDiagnosis{"web", {}, 0}));
  EXPECT_EQ(diagnosis.oldest, 0s);
  EXPECT_EQ(diagnosis.unread_bytes, 0U);
  EXPECT_THAT(labels(diagnose({}, {}, {})), ElementsAre("unknown"));
}

TEST(Diagnose, LabelsAContainerWithoutNameByItsIdOnlyWhenItHasSockets) {
  const std::vector<Container> containers = {container("web"),
                                             container("", "0123456789abcdef0123456789abcdef")};
  EXPECT_THAT(labels(diagnose({}, containers, {})), ElementsAre("web"));
  std::vector<CloseWaitSocket> sockets = {socket(1, 0s), socket(kNoContainer, 0s)};
  EXPECT_THAT(labels(diagnose(sockets, containers, {})),
              ElementsAre("0123456789ab", "unknown", "web"));
}

TEST(Diagnose, KeepsWhatOtherPodsHaveMadeApart) {
  std::vector<CloseWaitSocket> sockets = {socket(0, 0s), socket(kForeignContainer, 61s),
                                          socket(kForeignContainer, 1s), socket(kNoContainer, 0s)};
  const auto diagnosis = diagnose(sockets, {container("web")}, {});
  EXPECT_THAT(labels(diagnosis), ElementsAre("other_pod", "unknown", "web"));
  EXPECT_EQ(diagnosis.containers[0].of(Direction::kOutbound, OwedCall::kClose), 2U);
  EXPECT_EQ(diagnosis.containers[0].stuck, 1U);
  EXPECT_EQ(diagnosis.containers[1].of(Direction::kOutbound, OwedCall::kClose), 1U);
}

TEST(Diagnose, ARestartedContainerIsOneLabel) {
  std::vector<CloseWaitSocket> sockets = {socket(0, 0s), socket(1, 0s)};
  const auto diagnosis = diagnose(sockets, {container("web"), container("web")}, {});
  ASSERT_EQ(diagnosis.containers.size(), 1U);
  EXPECT_EQ(diagnosis.containers[0].of(Direction::kOutbound, OwedCall::kClose), 2U);
}

TEST(Diagnose, AddsUpUnreadBytes) {
  std::vector<CloseWaitSocket> sockets = {socket(0, 0s), socket(0, 0s), socket(0, 0s)};
  sockets[0].receive_queue = 101;
  sockets[1].receive_queue = 1;
  EXPECT_EQ(diagnose(sockets, {}, {}).unread_bytes, 100U);
}

TEST(Diagnose, ListsTheOldestSockets) {
  std::vector<CloseWaitSocket> sockets = {socket(0, 1s), socket(0, 3s), socket(0, 2s)};
  DiagnosisSettings settings;
  settings.sockets = 2;
  const auto diagnosis = diagnose(sockets, {}, settings);
  ASSERT_EQ(diagnosis.sockets.size(), 2U);
  EXPECT_EQ(diagnosis.sockets[0].age, 3s);
  EXPECT_EQ(diagnosis.sockets[1].age, 2s);
}

TEST(Diagnose, NamesNoPeersWhenToldSo) {
  std::vector<CloseWaitSocket> sockets = {socket(0, 1h)};
  DiagnosisSettings settings;
  EXPECT_EQ(diagnose(sockets, {}, settings).peers.size(), 1U);
  settings.peers = 0;
  EXPECT_EQ(diagnose(sockets, {}, settings).peers.size(), 0U);
}

TEST(Diagnosis, AddsAnothersOwners) {
  Diagnosis sum;
  sum.owners = {{{"mesh", "a", "proxy"}, 2, 0}};
  Diagnosis other;
  other.owners = {{{"mesh", "b", "proxy"}, 1, 1}, {{"mesh", "a", "proxy"}, 1, 0}};
  sum.add(other, 3);
  EXPECT_THAT(sum.owners, ElementsAre(OwnerSums{{"mesh", "b", "proxy"}, 1, 1},
                                      OwnerSums{{"mesh", "a", "proxy"}, 3, 0}));
}

TEST(Diagnosis, AddsAnothersByLabel) {
  std::vector<CloseWaitSocket> one = {socket(0, 61s)};
  std::vector<CloseWaitSocket> two = {socket(0, 2s), socket(1, 90s)};
  auto sum = diagnose(one, {container("web")}, {});
  sum.add(diagnose(two, {container("log"), container("web")}, {}), 3);
  EXPECT_THAT(labels(sum), ElementsAre("log", "web"));
  EXPECT_EQ(sum.containers[1].of(Direction::kOutbound, OwedCall::kClose), 2U);
  EXPECT_EQ(sum.stuck(), 2U);
  EXPECT_EQ(sum.oldest, 90s);
  ASSERT_EQ(sum.peers.size(), 1U);
  EXPECT_EQ(sum.peers[0].sockets, 3U);
}

}  // namespace
}  // namespace closewatch
