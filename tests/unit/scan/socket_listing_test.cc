// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/socket_listing.h"

#include <algorithm>

#include "tests/support/sample_snapshot.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::sample_snapshot;

SocketOwnerList owners(const Pod& /*pod*/, const std::vector<std::uint32_t>& inodes) {
  SocketOwnerList list;
  for (const auto inode : inodes) list.by_inode.emplace(inode, SocketOwner{77, "java", 0});
  return list;
}

TEST(FindNamesakes, FindsAllOfANameAndNoOthers) {
  const auto snapshot = sample_snapshot();
  EXPECT_EQ(find_namesakes(snapshot, "shop", "web-0").size(), 2U);
  EXPECT_EQ(find_namesakes(snapshot, "shop", "cart-0").size(), 1U);
  EXPECT_EQ(find_namesakes(snapshot, "shop", "cart").size(), 0U);
  EXPECT_EQ(find_namesakes(snapshot, "", "cart-0").size(), 0U);
}

TEST(ListSockets, TellsContainerAndProcess) {
  const auto snapshot = sample_snapshot();
  const auto listing = list_sockets(find_namesakes(snapshot, "shop", "cart-0"), owners);
  EXPECT_EQ(listing.total, 1231U);
  EXPECT_TRUE(listing.cut());
  ASSERT_EQ(listing.sockets.size(), 2U);
  EXPECT_EQ(listing.sockets[0].container, "app");
  ASSERT_TRUE(listing.sockets[0].process);
  EXPECT_EQ(listing.sockets[0].process->pid, 77);
  EXPECT_EQ(listing.sockets[1].container, "unknown");
  EXPECT_FALSE(listing.sockets[1].process);  // not accepted, so nobody has it open
}

TEST(ListSockets, SaysWhyAPodIsNotVisible) {
  const auto snapshot = sample_snapshot();
  const auto listing = list_sockets(find_namesakes(snapshot, "unknown", "uid-nameless"), owners);
  EXPECT_EQ(listing.visibility, Visibility::kDenied);
  EXPECT_EQ(listing.detail, "CAP_SYS_ADMIN is missing");
}

TEST(ListSockets, PutsNamesakesTogether) {
  auto snapshot = sample_snapshot();
  const auto one = testing::sample_diagnosis();
  for (auto& pod : snapshot.pods) {
    if (pod.name != "web-0") continue;
    pod.visibility = Visibility::kVisible;
    pod.sums.states.add(TcpState::kCloseWait, 2);
    pod.diagnosis = one;
  }
  const auto listing = list_sockets(find_namesakes(snapshot, "shop", "web-0"), owners);
  EXPECT_EQ(listing.total, 4U);
  EXPECT_FALSE(listing.cut());
  ASSERT_EQ(listing.sockets.size(), 4U);
  EXPECT_EQ(listing.sockets[1].socket.age, one.oldest);  // the oldest first, of both
}

TEST(ListSockets, SaysWhyTheNamesakeIsNotVisibleThatHidesBoth) {
  auto snapshot = sample_snapshot();
  const auto web = std::find_if(snapshot.pods.begin(), snapshot.pods.end(),
                                [](const auto& pod) { return pod.uid == "uid-old"; });
  web->hide(Visibility::kIncomplete, "changed");
  const auto listing = list_sockets(find_namesakes(snapshot, "shop", "web-0"), owners);
  EXPECT_EQ(listing.visibility, Visibility::kIncomplete);
  EXPECT_EQ(listing.detail, "changed");
}

}  // namespace
}  // namespace closewatch
