// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/socket_owners.h"

#include <sys/stat.h>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::FakeProc;

class SocketOwnersTest : public ::testing::Test {
 protected:
  SocketOwnersTest() {
    proc_.process(10, "pause", "0::/a\n", "pod-ns");
    proc_.process(20, "app", "0::/b\n", "pod-ns");
    proc_.process(21, "wor ker\xff", "0::/b\n", "pod-ns");
    proc_.process(30, "stranger", "0::/c\n", "other-ns");
    proc_.socket(20, 3, 100);
    proc_.socket(20, 4, 101);
    proc_.socket(21, 3, 100);  // inherited
    proc_.socket(21, 9, 102);
    proc_.socket(30, 3, 103);
    // What a process has open beside sockets.
    for (const auto* const target :
         {"pipe:[104]", "socket:[", "socket:[105", "/tmp/socket:[106]"}) {
      static int descriptor = 50;
      std::filesystem::create_symlink(
          target, proc_.tree().path("proc/20/fd/" + std::to_string(++descriptor)));
    }
    proc_.tree().add("cgroup/a/cgroup.procs", "10\n");
    proc_.tree().add("cgroup/b/cgroup.procs", "20\n");
    proc_.tree().add("cgroup/b/below/cgroup.procs", "21\n999\n");
  }

  [[nodiscard]] Pod pod() const {
    Pod pod;
    pod.containers.resize(2);
    pod.containers[0].cgroup_directories = {{proc_.tree().path("cgroup/a"), true}};
    pod.containers[1].cgroup_directories = {{proc_.tree().path("cgroup/b"), true}};
    return pod;
  }

  [[nodiscard]] SocketOwnerList find(const Pod& pod, std::vector<std::uint32_t> inodes) const {
    return SocketOwners(proc_.path()).find(pod, std::move(inodes));
  }

  FakeProc proc_;
};

TEST_F(SocketOwnersTest, LooksAtNoMoreDescriptorsThanItMay) {
  const auto all = SocketOwners(proc_.path(), 8).find(pod(), {100, 101, 102});
  EXPECT_EQ(all.by_inode.size(), 3U);
  EXPECT_FALSE(all.error);
  const auto few = SocketOwners(proc_.path(), 7).find(pod(), {100, 101, 102, 7});
  ASSERT_TRUE(few.error);
  EXPECT_EQ(few.error->kind, ErrorKind::kOverLimit);
}

TEST_F(SocketOwnersTest, FindsProcessAndContainer) {
  const auto found = find(pod(), {102, 100, 103, 104, 105, 106, 7});
  ASSERT_EQ(found.by_inode.size(), 2U);
  EXPECT_EQ(found.by_inode.at(100).pid, 20);
  EXPECT_EQ(found.by_inode.at(100).comm, "app");
  EXPECT_EQ(found.by_inode.at(100).container, 1U);
  EXPECT_EQ(found.by_inode.at(102).pid, 21);
  EXPECT_EQ(found.by_inode.at(102).comm, "wor ker?");
}

TEST_F(SocketOwnersTest, FindsThoseOfANamespaceWithoutContainers) {
  Pod standalone;
  struct stat status {};
  ASSERT_EQ(::stat(proc_.tree().path("namespaces/pod-ns").c_str(), &status), 0);
  standalone.located = LocatedNamespace{NamespaceFile{"/unused"}, {status.st_dev, status.st_ino}};
  const auto found = find(standalone, {100, 103});
  ASSERT_EQ(found.by_inode.size(), 1U);
  EXPECT_EQ(found.by_inode.at(100).pid, 20);
}

TEST_F(SocketOwnersTest, AProcessThatCannotBeLookedIntoIsAnError) {
  proc_.tree().add("proc/10/fd");  // a file, so that it opens as no directory
  const auto found = find(pod(), {100, 7});
  EXPECT_TRUE(found.error);
  EXPECT_EQ(found.by_inode.size(), 1U);
  EXPECT_FALSE(find(pod(), {100}).error);  // nothing is missing
}

TEST_F(SocketOwnersTest, OfSeveralInANamespaceTheLowestNumberIsTold) {
  Pod standalone;
  struct stat status {};
  ASSERT_EQ(::stat(proc_.tree().path("namespaces/pod-ns").c_str(), &status), 0);
  standalone.located = LocatedNamespace{NamespaceFile{"/unused"}, {status.st_dev, status.st_ino}};
  for (const pid_t pid : {40, 19, 60, 35, 18, 50}) {
    proc_.process(pid, "heir", "0::/b\n", "pod-ns");
    proc_.socket(pid, 3, 107);
  }
  EXPECT_EQ(find(standalone, {107}).by_inode.at(107).pid, 18);
}

TEST_F(SocketOwnersTest, AProcessThatHasEndedIsNoError) {
  EXPECT_EQ(find(pod(), {7}).error, std::nullopt);
}

}  // namespace
}  // namespace closewatch
