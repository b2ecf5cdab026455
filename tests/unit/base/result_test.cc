// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/result.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

const std::string kForeign = "cg\x1b[2J\n\xff";

TEST(Error, SaysNothingThatALogOrJsonCannotTake) {
  EXPECT_EQ(fail(ErrorKind::kMalformed, kForeign).value().what, "cg?[2J??");
  EXPECT_EQ(fail_errno(ENOENT, kForeign).value().what, "cg?[2J??: No such file or directory");
  const Error made{ErrorKind::kSystem, kForeign};
  EXPECT_EQ(made.what, "cg?[2J??");
}

}  // namespace
}  // namespace closewatch
