// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/whole_number.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(WholeNumber, TakesDigitsAndNothingElse) {
  EXPECT_EQ(whole_number<int>("0"), 0);
  EXPECT_EQ(whole_number<int>("-17"), -17);
  EXPECT_EQ(whole_number<unsigned>("fF", 16), 255U);
  for (const auto* const text : {"", " 1", "1 ", "+1", "1x", "0x1", "1.0", "-", "--1"}) {
    EXPECT_EQ(whole_number<int>(text), std::nullopt) << text;
  }
  EXPECT_EQ(whole_number<unsigned>("-1"), std::nullopt);
}

TEST(WholeNumber, DoesNotWrap) {
  EXPECT_EQ(whole_number<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(whole_number<std::uint16_t>("65536"), std::nullopt);
  EXPECT_EQ(whole_number<std::uint64_t>("99999999999999999999999"), std::nullopt);
}

TEST(TakeNumber, LeavesWhatFollows) {
  std::string_view text = "12s";
  EXPECT_EQ(take_number<int>(text), 12);
  EXPECT_EQ(text, "s");
  EXPECT_EQ(take_number<int>(text), std::nullopt);
  EXPECT_EQ(text, "s");
}

}  // namespace
}  // namespace closewatch
