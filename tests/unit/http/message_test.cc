// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/message.h"

#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

TEST(FirstLine, IsFitForATerminalWhoeverItIsFrom) {
  EXPECT_EQ(first_line({.status = 404, .body = "no such pod\n"}), "no such pod");
  EXPECT_EQ(first_line({.status = 500, .body = "why \x1b[2J\xff\nmore"}), "why ?[2J?");
  EXPECT_EQ(first_line({.status = 500, .body = std::string(100'000, 'x')}).size(), 300U);
  EXPECT_EQ(first_line({.status = 500, .body = ""}), "");
}

}  // namespace
}  // namespace closewatch::http
