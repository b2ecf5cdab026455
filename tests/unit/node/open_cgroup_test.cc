// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/open_cgroup.h"

#include <cstddef>
#include <string>

#include "tests/support/fake_tree.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

constexpr std::size_t kLimit = 4096;

TEST(OpenCgroup, KeepsNoListOfWhatIsNoCgroup) {
  const testing::FakeTree tree({{"pod/cgroup.procs", "1\n"}, {"another", "2\n"}});
  const auto cgroup = OpenCgroup::open(kWorkingDirectory, tree.path("pod").c_str(), true);
  ASSERT_TRUE(cgroup);
  std::string text;
  ASSERT_TRUE((*cgroup)->read_processes(text, kLimit));
  EXPECT_EQ(text, "1\n");
  tree.remove("pod/cgroup.procs");
  tree.add_same("pod/cgroup.procs", "another");
  ASSERT_TRUE((*cgroup)->read_processes(text, kLimit));
  EXPECT_EQ(text, "2\n");
}

TEST(OpenCgroup, SaysThatItHasGone) {
  const testing::FakeTree tree(testing::FakeTree::Entries{{"pod/cgroup.procs", "1\n"}});
  const auto cgroup = OpenCgroup::open(kWorkingDirectory, tree.path("pod").c_str(), true);
  tree.remove("pod");
  std::string text;
  const auto read = (*cgroup)->read_processes(text, kLimit);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kGone);
}

}  // namespace
}  // namespace closewatch
