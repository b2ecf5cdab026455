// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(EffectiveCapabilities, AreReadOutOfTheStatus) {
  const auto bits = parse_effective_capabilities(
      "Name:\tx\nCapPrm:\t01\nCapEff:\t0000000000280000\nCapBnd:\t0\n");
  ASSERT_TRUE(bits);
  EXPECT_EQ(*bits, 0x280000U);
  EXPECT_FALSE(parse_effective_capabilities("Name:\tx\n"));
  EXPECT_FALSE(parse_effective_capabilities("Name:\tx\nCapEff:\t"));
  EXPECT_FALSE(parse_effective_capabilities("Name:\tx\nCapEff:\tzz\n"));
}

TEST(MissingCapabilities, AreNamedWithTheirRemedy) {
  constexpr std::uint64_t kSysAdmin = 1ULL << 21U;
  constexpr std::uint64_t kSysPtrace = 1ULL << 19U;
  EXPECT_THAT(missing_capabilities(Engine::kInetDiag, kSysAdmin | kSysPtrace), IsEmpty());
  EXPECT_THAT(missing_capabilities(Engine::kInetDiag, kSysPtrace),
              ElementsAre(HasSubstr("CAP_SYS_ADMIN is missing")));
  EXPECT_THAT(missing_capabilities(Engine::kInetDiag, kSysAdmin),
              ElementsAre(HasSubstr("CAP_SYS_PTRACE is missing")));
  EXPECT_THAT(missing_capabilities(Engine::kInetDiag, 0),
              ElementsAre(HasSubstr("add SYS_ADMIN"), HasSubstr("add SYS_PTRACE")));
}

}  // namespace
}  // namespace closewatch
