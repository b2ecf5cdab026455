#include "closewatch/kernel/walk_program.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr bool kHasLoop = true;

TEST(LoadRefusal, NamesTheCapability) {
  for (const auto& error :
       {load_refusal(EPERM, kHasLoop, ""), load_refusal(EACCES, kHasLoop, "")}) {
    EXPECT_EQ(error.kind, ErrorKind::kDenied);
    EXPECT_THAT(error.what, AllOf(HasSubstr("CAP_BPF"), HasSubstr("CAP_PERFMON")));
  }
}

TEST(LoadRefusal, NamesTheHelperThatAnOldKernelLacks) {
  const auto error = load_refusal(EINVAL, !kHasLoop, "1: (85) call unknown#181\ninvalid func\n");
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_THAT(error.what, AllOf(HasSubstr("bpf_loop()"), HasSubstr("Linux 5.17")));
}

TEST(LoadRefusal, IsForThePrivilegeWhereNothingElseCanBeKnown) {
  EXPECT_EQ(load_refusal(EPERM, !kHasLoop, "").kind, ErrorKind::kDenied);
}

TEST(LoadRefusal, CarriesWhatTheVerifierDidNotLike) {
  const auto error = load_refusal(
      EACCES, kHasLoop, "0: (79) r1 = *(u64*)(r1 +0)\nR1 invalid mem access\nprocessed 1 insns\n");
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_THAT(error.what, AllOf(HasSubstr("R1 invalid mem access"), Not(HasSubstr("processed")),
                                Not(HasSubstr("r1 = "))));
}

}  // namespace
}  // namespace closewatch
