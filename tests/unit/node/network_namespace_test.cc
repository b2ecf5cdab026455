// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/network_namespace.h"

#include <fcntl.h>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using testing::FakeProc;

TEST(FindHostProcess, TakesInit) {
  const FakeProc proc;
  const auto fd = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH);
  const auto host = find_host_process(fd->get());
  ASSERT_TRUE(host);
  EXPECT_EQ(host->pid, 1);
}

TEST(FindHostProcess, TakesKthreaddWhereInitDoesNotTell) {
  const FakeProc proc;
  proc.tree().remove("proc/1/ns");
  proc.process(2, "kthreadd", "0::/\n", "host");
  const auto fd = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH);
  const auto host = find_host_process(fd->get());
  ASSERT_TRUE(host);
  EXPECT_EQ(host->pid, 2);
}

TEST(FindHostProcess, SaysThatProcHidesProcesses) {
  const FakeProc proc;
  proc.tree().remove("proc/1");
  const auto fd = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH);
  const auto host = find_host_process(fd->get());
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().kind, ErrorKind::kDenied);
  EXPECT_NE(host.error().what.find("hidepid"), std::string::npos);
}

TEST(FindHostProcess, TakesNobodyElse) {
  const FakeProc proc;
  proc.tree().remove("proc/1/ns");
  proc.process(2, "bash", "0::/\n", "host");
  const auto fd = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH);
  EXPECT_FALSE(find_host_process(fd->get()));
}

}  // namespace
}  // namespace closewatch
