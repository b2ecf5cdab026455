// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/descriptor_use.h"

#include <string>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::FakeProc;

/// Processes with made-up descriptors, which are counted one by one.
class DescriptorUseTest : public ::testing::Test {
 protected:
  DescriptorUseTest() {
    add(10, "pause", 1, "1024");
    add(20, "small", 40, "64");
    add(21, "large", 100, "1024");
    proc_.tree().add("cgroup/a/cgroup.procs", "10\n");
    proc_.tree().add("cgroup/b/cgroup.procs", "21\n");
    proc_.tree().add("cgroup/b/below/cgroup.procs", "20\n");
    pod_.containers.resize(2);
    pod_.containers[0].cgroup_directories = {{proc_.tree().path("cgroup/a"), true}};
    pod_.containers[1].cgroup_directories = {{proc_.tree().path("cgroup/b"), true}};
  }

  void add(pid_t pid, const std::string& command, int descriptors, const std::string& limit) {
    proc_.process(pid, command, "0::/\n", "pod-ns");
    for (int descriptor = 0; descriptor < descriptors; ++descriptor) {
      proc_.socket(pid, descriptor, 100);
    }
    set_limit(pid, limit);
  }
  void set_limit(pid_t pid, const std::string& limit) {
    proc_.tree().add("proc/" + std::to_string(pid) + "/limits",
                     "Max open files            " + limit + "   4096   files\n");
  }

  Result<std::vector<DescriptorUse>> read() {
    return DescriptorReader(proc_.path(), NamespaceAccess::kNamespace, false)
        .read(pod_, {}, limits_);
  }
  /// Of the second container.
  DescriptorUse app() {
    const auto uses = read();
    if (!uses) throw std::runtime_error(uses.error().what);
    return uses->at(1);
  }

  FakeProc proc_;
  Pod pod_;
  DescriptorLimits limits_;
};

TEST_F(DescriptorUseTest, IsOfTheProcessNearestToItsLimit) {
  const auto uses = read();
  ASSERT_TRUE(uses) << uses.error().what;
  ASSERT_EQ(uses->size(), 2U);
  EXPECT_EQ(uses->front().container, 0);
  EXPECT_EQ(uses->front().open, 1U);
  const auto& nearest = uses->back();
  EXPECT_EQ(nearest.container, 1);
  EXPECT_EQ(nearest.pid, 20);
  EXPECT_EQ(nearest.comm, "small");
  EXPECT_EQ(nearest.open, 40U);
  EXPECT_EQ(nearest.limit, 64U);
}

TEST_F(DescriptorUseTest, WithoutLimitsIsOfTheProcessThatHasMost) {
  for (const auto pid : {20, 21}) set_limit(pid, "unlimited");
  EXPECT_EQ(app().pid, 21);
  EXPECT_EQ(app().limit, std::nullopt);
}

TEST_F(DescriptorUseTest, ALimitOfNothingIsFull) {
  set_limit(21, "0");
  EXPECT_EQ(app().pid, 21);
  EXPECT_EQ(app().limit, 1U);
}

TEST_F(DescriptorUseTest, SeesAChangedLimitOfTheNearestAtOnce) {
  EXPECT_EQ(app().limit, 64U);
  set_limit(20, "4096");
  EXPECT_EQ(app().limit, 4096U);
  EXPECT_EQ(app().pid, 21);
}

TEST_F(DescriptorUseTest, SeesAChangedLimitOfAnotherAfterSomeReadings) {
  EXPECT_EQ(app().pid, 20);
  set_limit(21, "101");
  unsigned readings = 1;
  while (app().pid != 21) ASSERT_LE(++readings, DescriptorLimits::kLimitsHold + 1);
  EXPECT_EQ(app().limit, 101U);
}

TEST_F(DescriptorUseTest, ForgetsTheLimitsOfProcessesThatHaveGone) {
  (void)app();
  EXPECT_EQ(limits_.known.size(), 3U);
  proc_.tree().remove("proc/20");
  proc_.tree().add("cgroup/b/below/cgroup.procs", "");
  EXPECT_EQ(app().pid, 21);
  EXPECT_EQ(limits_.known.size(), 2U);
}

TEST_F(DescriptorUseTest, AProcessThatHasEndedDoesNotCount) {
  proc_.tree().remove("proc/20");
  EXPECT_EQ(app().pid, 21);
}

TEST_F(DescriptorUseTest, AContainerWithoutProcessesHasNone) {
  proc_.tree().remove("proc/10");
  const auto uses = read();
  ASSERT_TRUE(uses) << uses.error().what;
  ASSERT_EQ(uses->size(), 1U);
  EXPECT_EQ(uses->front().container, 1);
}

TEST_F(DescriptorUseTest, WhatIsNotWholeIsNothing) {
  proc_.tree().add("cgroup/a/cgroup.procs", "0\n");
  EXPECT_EQ(read().error().kind, ErrorKind::kForeign);
  proc_.tree().add("cgroup/a/cgroup.procs", "10\n");
  proc_.tree().add("proc/21/limits", "Max open files            many\n");
  limits_ = {};
  EXPECT_EQ(read().error().kind, ErrorKind::kMalformed);
}

TEST_F(DescriptorUseTest, IsBoundedByProcesses) {
  std::string many;
  for (std::size_t i = 0; i < DescriptorReader::kMostProcesses; ++i) {
    many += std::to_string(100'000 + i) + "\n";
  }
  proc_.tree().add("cgroup/a/cgroup.procs", many);
  const auto uses = read();
  ASSERT_FALSE(uses);
  EXPECT_EQ(uses.error().kind, ErrorKind::kOverLimit);
}

}  // namespace
}  // namespace closewatch
