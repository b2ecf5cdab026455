// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;

OwnerSums sums(const std::string& pod, std::uint64_t sockets, std::uint64_t stuck) {
  return {{"mesh", pod, "proxy"}, sockets, stuck};
}

TEST(MergedOwners, HasEachOnceAndTheWorstFirst) {
  EXPECT_THAT(merged_owners({}), ElementsAre());
  EXPECT_THAT(merged_owners({sums("a", 9, 0), sums("b", 1, 1), sums("c", 2, 1), sums("b", 3, 1)}),
              ElementsAre(sums("b", 4, 2), sums("c", 2, 1), sums("a", 9, 0)));
}

TEST(MergedOwners, AreBoundedAndTheRestIsOne) {
  std::vector<OwnerSums> many;
  for (std::uint64_t i = 0; i < 20; ++i) many.push_back(sums("pod-" + std::to_string(i), 1, i));
  const auto merged = merged_owners(many);
  ASSERT_EQ(merged.size(), kMostOwners + 1);
  EXPECT_EQ(merged.front(), sums("pod-19", 1, 19));
  EXPECT_EQ(merged[kMostOwners - 1], sums("pod-12", 1, 12));
  const PodContainer rest{kOtherOwners, kOtherOwners, kOtherOwners};
  EXPECT_EQ(merged.back(), (OwnerSums{rest, 12, 11 * 12 / 2}));

  // Once more, with a list of their own: the rest stays last, whatever it holds.
  auto both = merged;
  both.insert(both.end(), merged.begin(), merged.end());
  const auto again = merged_owners(both);
  ASSERT_EQ(again.size(), kMostOwners + 1);
  EXPECT_EQ(again.front(), sums("pod-19", 2, 38));
  EXPECT_EQ(again.back(), (OwnerSums{rest, 24, 132}));
}

TEST(PodContainer, IsToldInOneWord) {
  EXPECT_EQ(text_of(PodContainer{"mesh", "ztunnel-1", "proxy"}), "mesh/ztunnel-1/proxy");
  EXPECT_EQ(text_of(PodContainer{kOtherOwners, kOtherOwners, kOtherOwners}), "other_owners");
}

}  // namespace
}  // namespace closewatch
