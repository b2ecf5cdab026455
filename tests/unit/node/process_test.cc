// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/process.h"

#include <fcntl.h>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using testing::FakeProc;

TEST(ParseProcessStat, ReadsNameAndStart) {
  const auto stat = parse_process_stat(
      "42 (we) (ird name) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000 1 0");
  ASSERT_TRUE(stat) << stat.error().what;
  EXPECT_EQ(stat->comm, "we) (ird name");
  EXPECT_EQ(stat->start_time, 987654U);
}

TEST(ParseProcessStat, RefusesWhatIsCutOrNoNumber) {
  for (const auto* const wrong :
       {"", "42", "42 (x", "42 x) S 1", "42 (x) S 1 2 3",
        "42 (x) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 late 1"}) {
    EXPECT_FALSE(parse_process_stat(wrong)) << wrong;
  }
}

TEST(ProcessSockets, AreNotLessForADescriptorThatCannotBeReadAsALink) {
  const FakeProc proc;
  proc.process(7, "web", "0::/web\n", "web");
  proc.socket(7, 3, 4711);
  const auto directory = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH | O_DIRECTORY);
  ASSERT_TRUE(directory);
  const auto visit = [&] {
    std::size_t left = 10;
    std::vector<std::uint32_t> inodes;
    auto done = Process::open(directory->get(), 7).and_then([&](const Process& process) {
      return process.visit_sockets(left, [&](std::uint32_t inode) { inodes.push_back(inode); });
    });
    EXPECT_EQ(inodes, std::vector<std::uint32_t>{4711});
    return done;
  };
  EXPECT_TRUE(visit());
  proc.tree().add("proc/7/fd/4");  // no link: EINVAL, which is not "closed meanwhile"
  const auto failed = visit();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::kSystem);
}

}  // namespace
}  // namespace closewatch
