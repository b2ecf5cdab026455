// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/namespace_filter.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

NamePatterns names(std::string_view list) { return *NamePatterns::parse(list); }

TEST(NamespaceFilter, LeavesOutNothingUnlessTold) {
  EXPECT_FALSE(NamespaceFilter{}.leaves_out("shop"));
  EXPECT_TRUE(names("").empty());
  EXPECT_TRUE(names(" ").empty());
}

TEST(NamespaceFilter, IncludesByNameAndByBeginning) {
  const NamespaceFilter filter{names("shop, preview-*"), {}};
  EXPECT_FALSE(filter.leaves_out("shop"));
  EXPECT_FALSE(filter.leaves_out("preview-17"));
  EXPECT_FALSE(filter.leaves_out("preview-"));
  EXPECT_TRUE(filter.leaves_out("shop-2"));
  EXPECT_TRUE(filter.leaves_out("preview"));
  EXPECT_TRUE(filter.leaves_out(""));
}

TEST(NamespaceFilter, ExcludesOfWhatIsIncluded) {
  const NamespaceFilter filter{names("*"), names("kube-*,shop")};
  EXPECT_FALSE(filter.leaves_out("bank"));
  EXPECT_TRUE(filter.leaves_out("kube-system"));
  EXPECT_TRUE(filter.leaves_out("shop"));
}

TEST(NamePatterns, RefusesWhatIsNoNamespace) {
  for (const auto* const wrong : {"Shop", "a,,b", "a b", "*a", "a*b", "shop/cart", ",", "a,"}) {
    EXPECT_FALSE(NamePatterns::parse(wrong)) << wrong;
  }
  EXPECT_FALSE(NamePatterns::parse(std::string(64, 'a')));
  std::string many = "a";
  for (int i = 0; i < 255; ++i) many += ",b";
  EXPECT_TRUE(NamePatterns::parse(many));
  EXPECT_FALSE(NamePatterns::parse(many + ",c"));
}

}  // namespace
}  // namespace closewatch
