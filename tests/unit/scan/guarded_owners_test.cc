// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/guarded_owners.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

#include "closewatch/base/unique_fd.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using testing::FakeProc;

class GuardedOwnersTest : public ::testing::Test {
 protected:
  GuardedOwnersTest() {
    proc_.process(20, "app", "0::/a\n", "pod-ns");
    proc_.socket(20, 3, 100);
    proc_.tree().add("cgroup/a/cgroup.procs", "20\n");
    pod_.uid = "cart";
    pod_.containers.resize(1);
    pod_.containers[0].cgroup_directories = {{proc_.tree().path("cgroup/a"), true}};
  }

  FakeProc proc_;
  Pod pod_;
};

TEST_F(GuardedOwnersTest, FindsWhatSocketOwnersFind) {
  const auto found = GuardedOwners(SocketOwners(proc_.path())).find(pod_, {100});
  EXPECT_FALSE(found.error);
  EXPECT_EQ(found.by_inode.at(100).pid, 20);
}

TEST_F(GuardedOwnersTest, DoNotWaitForAPodThatHangs) {
  const auto procs = proc_.tree().path("cgroup/a/cgroup.procs");
  std::filesystem::remove(procs);
  ASSERT_EQ(::mkfifo(procs.c_str(), 0600), 0);  // whoever opens it waits for one who writes
  GuardedOwners owners(SocketOwners(proc_.path()), std::nullopt, 1ms);
  for (int i = 0; i < 2; ++i) {
    const auto found = owners.find(pod_, {100});
    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.error->kind, ErrorKind::kHung);
  }
  {
    const UniqueFd writer(::open(procs.c_str(), O_WRONLY | O_CLOEXEC));
    proc_.tree().remove("cgroup/a/cgroup.procs");
    proc_.tree().add("cgroup/a/cgroup.procs", "20\n");
  }
  while (owners.find(pod_, {100}).error) std::this_thread::yield();
}

TEST_F(GuardedOwnersTest, CostNoMoreThanIsAllowed) {
  constexpr double kNextToNothing = 1e-12;
  GuardedOwners owners(SocketOwners(proc_.path()),
                       CpuAllowance(kNextToNothing, std::chrono::steady_clock::now()));
  EXPECT_FALSE(owners.find(pod_, {100}).error);
  const auto refused = owners.find(pod_, {100});
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->kind, ErrorKind::kOverLimit);
  EXPECT_TRUE(refused.by_inode.empty());
}

}  // namespace
}  // namespace closewatch
