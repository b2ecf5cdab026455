// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/known_processes.h"

#include <fcntl.h>

#include <memory>
#include <string>

#include "tests/support/fake_tree.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

class KnownProcessesTest : public ::testing::Test {
 protected:
  testing::FakeTree proc_{{{"1/stat", ""}, {"2/stat", ""}, {"3/stat", ""}}};

  [[nodiscard]] std::shared_ptr<const Process> process(pid_t pid) const {
    const auto proc = open_at(kWorkingDirectory, proc_.path().c_str(), O_PATH | O_DIRECTORY);
    return std::make_shared<const Process>(*Process::open(proc->get(), pid));
  }
};

TEST_F(KnownProcessesTest, FindsWhatItKeeps) {
  KnownProcesses known(2);
  EXPECT_EQ(known.find(1), nullptr);
  const auto one = process(1);
  known.keep(1, one);
  EXPECT_EQ(known.find(1), one);
}

TEST_F(KnownProcessesTest, ForgetsWhomNobodyAsksFor) {
  KnownProcesses known(2);
  known.keep(1, process(1));
  known.keep(2, process(2));
  known.forget_others();
  EXPECT_NE(known.find(1), nullptr);
  known.forget_others();
  EXPECT_NE(known.find(1), nullptr);
  EXPECT_EQ(known.find(2), nullptr);
}

TEST_F(KnownProcessesTest, KeepsNoMoreThanItMay) {
  KnownProcesses known(2);
  for (const pid_t pid : {1, 2, 3}) known.keep(pid, process(pid));
  EXPECT_EQ(known.find(3), nullptr);
  const auto another = process(3);
  known.keep(2, another);
  EXPECT_EQ(known.find(2), another);
}

}  // namespace
}  // namespace closewatch
