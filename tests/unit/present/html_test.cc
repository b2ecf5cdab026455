// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/html.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(HtmlText, LeavesNothingThatABrowserWouldObey) {
  EXPECT_EQ(html_text(R"(<img src="x" onerror='a&b'>)"),
            "&lt;img src=&quot;x&quot; onerror=&#39;a&amp;b&#39;&gt;");
  EXPECT_EQ(html_text("cart-0"), "cart-0");
}

}  // namespace
}  // namespace closewatch
