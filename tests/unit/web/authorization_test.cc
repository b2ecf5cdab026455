// SPDX-License-Identifier: Apache-2.0
#include "web/authorization.h"

#include <gtest/gtest.h>

namespace closewatch::web {
namespace {

TEST(BearerToken, IsWhatTheRfcCallsOne) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer   aZ09-._~+/=="), "aZ09-._~+/==");
  for (const auto* const wrong :
       {"", "Bearer", "Bearer ", "Bearer =", "Bearer a b", "Bearer a=b", "Bearer a\"b",
        "Bearer \xff", "Basic abc", "Bearerabc", "Bearers abc", "abc"}) {
    EXPECT_FALSE(bearer_token(wrong)) << wrong;
  }
}

TEST(CredentialsBy, AreThoseOfThatScheme) {
  EXPECT_EQ(credentials_by("basic", "BASIC  x y"), "x y");
  EXPECT_FALSE(credentials_by("basic", "bearer x"));
  EXPECT_FALSE(credentials_by("basic", "basic\tx"));
}

}  // namespace
}  // namespace closewatch::web
