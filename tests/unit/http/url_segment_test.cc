// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/url_segment.h"

#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

TEST(UrlSegment, IsOneSegmentWhateverTheName) {
  EXPECT_EQ(url_segment("cart-0.v1_a"), "cart-0.v1_a");
  EXPECT_EQ(url_segment("a/b?c#d%\"<é"), "a%2Fb%3Fc%23d%25%22%3C%C3%A9");
  EXPECT_EQ(url_segment(".."), "%2E%2E");
  EXPECT_EQ(url_segment("javascript:x"), "javascript%3Ax");
}

}  // namespace
}  // namespace closewatch::http
