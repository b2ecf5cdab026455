// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/file.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(Directory, HasAnEnd) {
  auto root = Directory::open(kWorkingDirectory, "/");
  ASSERT_TRUE(root);
  DirectoryEntry entry{};
  auto next = root->next(entry);
  while (next && *next) next = root->next(entry);
  EXPECT_TRUE(next);
}

}  // namespace
}  // namespace closewatch
