// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/namespace_opener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "tests/support/fake_proc.h"
#include "tests/support/sample_ids.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::FakeProc;
using testing::FakeTree;

using testing::kContainerA;
using testing::kContainerB;

/// A pod of two containers in a made-up cgroup tree, over a made-up /proc.
class NamespaceOpenerTest : public ::testing::Test {
 protected:
  void procs(const std::string& directory, const std::string& pids) const {
    cgroups_.add("pod/" + directory + "/cgroup.procs", pids);
  }

  static std::string cgroup_of(const std::string& directory) {
    return "0::/kubepods/pod/" + directory + "\n";
  }

  [[nodiscard]] Pod pod() const {
    Pod pod;
    pod.containers.resize(2);
    pod.containers[0].cgroup_directories = {{cgroups_.path("pod/" + kContainerA), false}};
    pod.containers[1].cgroup_directories = {{cgroups_.path("pod/" + kContainerB), false}};
    return pod;
  }

  [[nodiscard]] NamespaceId id(const std::string& network_namespace) const {
    struct stat status {};
    EXPECT_EQ(::stat(proc_.tree().path("namespaces/" + network_namespace).c_str(), &status), 0);
    return {status.st_dev, status.st_ino};
  }

  [[nodiscard]] Result<PodNamespaces> open() const {
    return NamespaceOpener(proc_.path()).open(pod(), id("host"));
  }

  FakeProc proc_;
  FakeTree cgroups_{{{"pod/" + kContainerA + "/", ""}, {"pod/" + kContainerB + "/", ""}}};
};

TEST_F(NamespaceOpenerTest, OpensASharedNamespaceOnce) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n21\n");
  proc_.process(10, "pause", cgroup_of(kContainerA), "pod");
  proc_.process(20, "app", cgroup_of(kContainerB), "pod");
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  ASSERT_EQ(opened->own.size(), 1U);
  EXPECT_EQ(opened->own[0].id, id("pod"));
  EXPECT_FALSE(opened->host_network);
  EXPECT_FALSE(opened->sandboxed);
}

TEST_F(NamespaceOpenerTest, OpensEachDistinctNamespaceBelowAContainerToo) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "");
  procs(kContainerB + "/docker/inner", "30\n");
  proc_.process(10, "pause", cgroup_of(kContainerA), "pod");
  proc_.process(30, "nested", cgroup_of(kContainerB + "/docker/inner"), "inner");
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  ASSERT_EQ(opened->own.size(), 2U);
  EXPECT_EQ(opened->own[1].id, id("inner"));
}

TEST_F(NamespaceOpenerTest, OpensEachDistinctNamespaceOfOneDirectory) {
  procs(kContainerA, "10\n11\n12\n");
  procs(kContainerB, "");
  proc_.process(10, "app", cgroup_of(kContainerA), "pod");
  proc_.process(11, "unshared", cgroup_of(kContainerA), "another");
  proc_.process(12, "worker", cgroup_of(kContainerA), "pod");
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(opened->own.size(), 2U);
}

TEST_F(NamespaceOpenerTest, TellsTheCgroupsOfEachContainer) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "");
  procs(kContainerB + "/below", "20\n");
  proc_.process(10, "app", cgroup_of(kContainerA), "pod");
  proc_.process(20, "worker", cgroup_of(kContainerB + "/below"), "pod");
  auto on_v2 = pod();
  for (auto& container : on_v2.containers) container.cgroup_directories[0].unified = true;
  const auto opened = NamespaceOpener(proc_.path()).open(on_v2, id("host"));
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_TRUE(opened->cgroups_known);
  std::map<std::uint64_t, ContainerIndex> containers;
  for (const auto& cgroup : opened->cgroups) containers.emplace(cgroup.id, cgroup.container);
  const auto directory = [&](const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(cgroups_.path("pod/" + path).c_str(), &status), 0);
    return status.st_ino;
  };
  const std::map<std::uint64_t, ContainerIndex> expected = {{directory(kContainerA), 0},
                                                            {directory(kContainerB), 1},
                                                            {directory(kContainerB + "/below"), 1}};
  EXPECT_EQ(containers, expected);
}

TEST_F(NamespaceOpenerTest, KnowsWhenAProcessIsInNoCgroupOfVersion2) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n");
  proc_.process(10, "app", cgroup_of(kContainerA), "pod");
  proc_.process(20, "app", cgroup_of(kContainerB), "pod");
  // In the hybrid layout some runtimes make the directory and put nobody into it.
  cgroups_.add("unified/" + kContainerB + "/cgroup.procs", "");
  auto hybrid = pod();
  hybrid.containers[0].cgroup_directories[0].unified = true;
  hybrid.containers[1].cgroup_directories.insert(hybrid.containers[1].cgroup_directories.begin(),
                                                 {cgroups_.path("unified/" + kContainerB), true});
  const auto opened = NamespaceOpener(proc_.path()).open(hybrid, id("host"));
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_FALSE(opened->cgroups_known);
  EXPECT_EQ(opened->cgroups.size(), 1U);
}

TEST_F(NamespaceOpenerTest, PassesOverZombiesAndTheDead) {
  procs(kContainerA, "8\n9\n10\n");
  procs(kContainerB, "");
  proc_.zombie(9, cgroup_of(kContainerA));
  proc_.process(10, "pause", cgroup_of(kContainerA), "pod");
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(opened->own.size(), 1U);
}

TEST_F(NamespaceOpenerTest, IsNotTakenInByAReusedNumber) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "");
  proc_.process(10, "stranger", "0::/system.slice/other.service\n", "other");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kGone);
}

TEST_F(NamespaceOpenerTest, KnowsItselfEvenInACgroupNamespaceOfItsOwn) {
  procs(kContainerA, std::to_string(::getpid()) + "\n");
  procs(kContainerB, "");
  proc_.process(::getpid(), "closewatch", "0::/\n", "pod");
  EXPECT_TRUE(open());
}

TEST_F(NamespaceOpenerTest, SeesAHostNetworkPod) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n");
  proc_.process(10, "pause", cgroup_of(kContainerA), "host");
  proc_.process(20, "app", cgroup_of(kContainerB), "host");
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->host_network);
  EXPECT_TRUE(opened->own.empty());
}

TEST_F(NamespaceOpenerTest, SeesWhatAHostNetworkPodHasBeside) {
  procs(kContainerA, "30\n");
  procs(kContainerB, "20\n");
  proc_.process(20, "agent", cgroup_of(kContainerB), "host", 100);
  proc_.process(30, "health", cgroup_of(kContainerA), "health", 101);
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->host_network);
  ASSERT_EQ(opened->own.size(), 1U);
  EXPECT_EQ(opened->own[0].id, id("health"));
}

TEST_F(NamespaceOpenerTest, ThePodIsAtHomeWhereItsOldestProcessIs) {
  procs(kContainerA, "10\n11\n");
  procs(kContainerB, "20\n21\n");
  proc_.process(10, "visitor", cgroup_of(kContainerA), "elsewhere", 300);
  proc_.process(11, "visitor", cgroup_of(kContainerA), "elsewhere", 301);
  proc_.process(20, "worker", cgroup_of(kContainerB), "pod", 400);
  proc_.process(21, "pause", cgroup_of(kContainerB), "pod", 200);
  const auto opened = open();
  ASSERT_TRUE(opened);
  ASSERT_EQ(opened->own.size(), 2U);
  EXPECT_EQ(opened->own[0].id, id("pod"));
  EXPECT_EQ(opened->own[1].id, id("elsewhere"));
  for (const auto& space : opened->own) {
    EXPECT_FALSE(space.fd.valid());
    const auto again = NamespaceOpener(proc_.path()).open(space.at);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->id, space.id);
  }
}

TEST_F(NamespaceOpenerTest, FindsTheHomeAmongTheFirst1024Processes) {
  constexpr int kMost = 1024;
  proc_.process(10, "worker", cgroup_of(kContainerA), "elsewhere", 300);
  proc_.process(20, "pause", cgroup_of(kContainerB), "pod", 200);
  const auto home_after = [&](int others) {
    std::string listed;
    for (int i = 0; i < others; ++i) listed += "10\n";
    procs(kContainerA, listed);
    procs(kContainerB, "20\n");
    const auto opened = open();
    return opened ? opened->own.front().id : NamespaceId{};
  };
  EXPECT_EQ(home_after(kMost - 1), id("pod"));
  EXPECT_EQ(home_after(kMost), id("elsewhere"));
}

TEST_F(NamespaceOpenerTest, GivesUpAPodOfMoreNamespacesThanAreRead) {
  procs(kContainerA, "10\n11\n12\n");
  procs(kContainerB, "");
  for (const auto* const name : {"one", "two", "three"}) {
    static pid_t pid = 10;
    proc_.process(pid++, "unshare", cgroup_of(kContainerA), name);
  }
  const auto with_room_for = [&](std::size_t most) {
    return NamespaceOpener(proc_.path(), NamespaceAccess::kNamespace, most).open(pod(), id("host"));
  };
  EXPECT_TRUE(with_room_for(3));
  const auto given_up = with_room_for(2);
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().kind, ErrorKind::kOverLimit);
}

TEST_F(NamespaceOpenerTest, NeverCountsTheHostsNamespaceAmongAPodsOwn) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n");
  proc_.process(10, "pause", cgroup_of(kContainerA), "pod", 100);
  proc_.process(20, "nsenter", cgroup_of(kContainerB), "host", 101);
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_FALSE(opened->host_network);
  ASSERT_EQ(opened->own.size(), 1U);
  EXPECT_EQ(opened->own[0].id, id("pod"));
}

TEST_F(NamespaceOpenerTest, TakesARuntimeOnItsWayInForNobody) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "");
  proc_.process(10, "runc", cgroup_of(kContainerA), "host");
  proc_.share_mounts(10, 1);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kGone);
  proc_.process(20, "runc", cgroup_of(kContainerA), "pod");  // this one has arrived
  procs(kContainerA, "20\n");
  EXPECT_TRUE(open());
}

TEST_F(NamespaceOpenerTest, TakesAHostNetworkPodsProgramForItsOwnWhateverItsName) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n");
  proc_.process(10, "crun", cgroup_of(kContainerA), "host");
  proc_.process(20, "python3", cgroup_of(kContainerB), "host");
  proc_.share_mounts(20, 1);  // as with `nsenter --mount`
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_TRUE(opened->host_network);
}

TEST_F(NamespaceOpenerTest, SeesASandbox) {
  procs(kContainerA, "10\n11\n");
  procs(kContainerB, "20\n");
  proc_.process(10, "runsc", cgroup_of(kContainerA), "pod");
  proc_.process(11, "runsc", cgroup_of(kContainerA), "gofer");
  proc_.process(20, "runsc", cgroup_of(kContainerB), "pod");
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->sandboxed);
}

TEST_F(NamespaceOpenerTest, AProgramOfASandboxAfterAnotherHidesNoPod) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n21\n");
  proc_.process(10, "pause", cgroup_of(kContainerA), "pod");
  proc_.process(20, "runsc", cgroup_of(kContainerB), "pod");
  proc_.process(21, "qemu-system-x86_64", cgroup_of(kContainerB), "another");
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_FALSE(opened->sandboxed);
  EXPECT_EQ(opened->own.size(), 2U);
}

TEST_F(NamespaceOpenerTest, AProgramOfASandboxBeforeAnotherHidesNoPod) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "20\n");
  proc_.process(10, "runsc", cgroup_of(kContainerA), "pod");
  proc_.process(20, "app", cgroup_of(kContainerB), "pod");
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_FALSE(opened->sandboxed);
}

TEST_F(NamespaceOpenerTest, SaysThatNobodyIsLeft) {
  procs(kContainerA, "");
  procs(kContainerB, "20\n");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kGone);
}

TEST_F(NamespaceOpenerTest, AContainerThatHasGoneTakesNothingAlong) {
  procs(kContainerA, "10\n");
  cgroups_.remove("pod/" + kContainerB);
  proc_.process(10, "pause", cgroup_of(kContainerA), "pod");
  EXPECT_TRUE(open());
}

TEST_F(NamespaceOpenerTest, NamesTheRemedyOutsideTheHostsPidNamespace) {
  procs(kContainerA, "0\n");
  procs(kContainerB, "");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kForeign);
  EXPECT_THAT(opened.error().what, ::testing::HasSubstr("hostPID"));
}

TEST_F(NamespaceOpenerTest, TakesOnlyTheProcessThatWasSeen) {
  proc_.process(10, "sleep", "0::/\n", "pod");
  const NamespaceOpener opener(proc_.path());
  EXPECT_TRUE(opener.open(ProcessRef{.pid = 10, .start_time = 100}));
  const auto another = opener.open(ProcessRef{.pid = 10, .start_time = 99});
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error().kind, ErrorKind::kGone);
}

TEST_F(NamespaceOpenerTest, TakesOnlyTheNamespaceThatWasSeen) {
  proc_.process(10, "sleep", "0::/\n", "pod");
  proc_.process(11, "sleep", "0::/\n", "other");
  const NamespaceOpener opener(proc_.path());
  Pod pod;
  pod.located = LocatedNamespace{ProcessRef{.pid = 10, .start_time = 100}, id("pod")};
  EXPECT_TRUE(opener.open(pod, id("host")));
  pod.located->id = id("other");
  const auto moved = opener.open(pod, id("host"));
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().kind, ErrorKind::kGone);
}

TEST_F(NamespaceOpenerTest, KnowsTheCgroupsOfAProcessThatIsInBothVersions) {
  procs(kContainerA, "10\n");
  procs(kContainerB, "");  // a container that is being made has nobody anywhere
  proc_.process(10, "app", cgroup_of(kContainerA), "pod");
  cgroups_.add("unified/" + kContainerA + "/cgroup.procs", "10\n");
  auto hybrid = pod();
  hybrid.containers[0].cgroup_directories.insert(hybrid.containers[0].cgroup_directories.begin(),
                                                 {cgroups_.path("unified/" + kContainerA), true});
  const auto opened = NamespaceOpener(proc_.path()).open(hybrid, id("host"));
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_TRUE(opened->cgroups_known);
  ASSERT_EQ(opened->cgroups.size(), 1U);
  struct stat status {};
  ASSERT_EQ(::stat(cgroups_.path("unified/" + kContainerA).c_str(), &status), 0);
  EXPECT_EQ(opened->cgroups[0].id, status.st_ino);
}

}  // namespace
}  // namespace closewatch
