// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/cgroup_tree.h"

#include "tests/support/fake_tree.h"
#include "tests/support/sample_ids.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;
using testing::FakeTree;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using testing::kContainerA;
using testing::kContainerB;
using testing::kPodUid;
const std::string kUidUnderscored = "0f4e5d6c_7b8a_4910_a2b3_c4d5e6f70819";
const std::string kOther = "1f4e5d6c-7b8a-4910-a2b3-c4d5e6f70819";

/// What one runtime's tree looks like, and the containers of the pod kPodUid in it.
struct RuntimeTree {
  std::string name;
  FakeTree::Entries entries;
  std::vector<std::string> containers;
};

std::vector<RuntimeTree> runtime_trees() {
  const auto slice = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" +
                     kUidUnderscored + ".slice/";
  const std::string v2 = "cgroup.controllers";
  return {
      {"ContainerdSystemd",
       {{v2, ""},
        {slice + "cri-containerd-" + kContainerA + ".scope/cgroup.procs", "10\n"},
        {slice + "cri-containerd-" + kContainerB + ".scope/cgroup.procs", "20\n"},
        {"system.slice/containerd.service/", ""}},
       {kContainerA, kContainerB}},
      {"CrioSystemd",
       {{v2, ""},
        {slice + "crio-" + kContainerA + ".scope/container/cgroup.procs", "10\n"},
        {slice + "crio-conmon-" + kContainerA + ".scope/cgroup.procs", "9\n"},
        {slice + "run-crio.mount/", ""}},
       {kContainerA}},
      {"DockerCgroupfs",
       {{v2, ""}, {"kubepods/burstable/pod" + kPodUid + "/" + kContainerA + "/", ""}},
       {kContainerA}},
      {"CgroupV1",
       {{"memory/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
        {"pids/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
        {"cpu,cpuacct/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""}},
       {kContainerA}},
      {"Hybrid",
       {{"unified/cgroup.controllers", ""},
        {"unified/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
        {"memory/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
        {"memory/kubepods/pod" + kPodUid + "/" + kContainerB + "/", ""}},
       {kContainerA, kContainerB}},
      {"HybridWhoseUnifiedIsEmpty",
       {{"unified/cgroup.controllers", ""},
        {"memory/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""}},
       {kContainerA}},
      {"DriverMismatch",
       {{v2, ""},
        {"kubepods.slice/kubepods-pod" + kUidUnderscored + ".slice/", ""},
        {"system.slice/containerd.service/kubepods-pod" + kUidUnderscored +
             ".slice:cri-containerd:" + kContainerA + "/cgroup.procs",
         "10\n"}},
       {kContainerA}},
      {"Kind",
       {{v2, ""},
        {"docker/" + kContainerB + "/kubelet/kubepods/burstable/pod" + kPodUid + "/" + kContainerA +
             "/",
         ""},
        {"docker/" + kContainerB + "/system.slice/kubelet.service/", ""}},
       {kContainerA}},
  };
}

MATCHER_P2(Stands, path, unified, "") { return arg.path == path && arg.unified == unified; }

class TreeOfARuntime : public ::testing::TestWithParam<RuntimeTree> {};

TEST_P(TreeOfARuntime, ShowsThePodsContainers) {
  const FakeTree tree(GetParam().entries);
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_TRUE(found->kubepods);
  EXPECT_THAT(found->errors, IsEmpty());
  ASSERT_EQ(found->pods.size(), 1U);
  EXPECT_EQ(found->pods.front().uid, kPodUid);
  std::vector<std::string> ids;
  for (const auto& container : found->pods.front().containers) ids.push_back(container.id);
  EXPECT_EQ(ids, GetParam().containers);
}

INSTANTIATE_TEST_SUITE_P(EachRuntime, TreeOfARuntime, ::testing::ValuesIn(runtime_trees()),
                         [](const auto& tested) { return tested.param.name; });

TEST(FindPods, KeepsAContainersDirectoriesInBothHierarchiesOfAHybridTree) {
  const FakeTree tree({{"unified/cgroup.controllers", ""},
                       {"unified/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
                       {"memory/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  EXPECT_THAT(
      found->pods.at(0).containers.at(0).cgroup_directories,
      ElementsAre(Stands(tree.path("unified/kubepods/pod" + kPodUid + "/" + kContainerA), true),
                  Stands(tree.path("memory/kubepods/pod" + kPodUid + "/" + kContainerA), false)));
}

TEST(FindPods, LeavesOutWhatAKubeletOfV1HasLeftInV2) {
  FakeTree tree({{"unified/cgroup.controllers", ""},
                 {"unified/kubepods/pod" + kPodUid + "/", ""},
                 {"unified/kubepods/pod" + kOther + "/" + kContainerB + "/", ""},
                 {"memory/kubepods/", ""}});
  const auto uids = [&] {
    std::vector<std::string> found;
    const auto pods = CgroupTree(tree.path()).find_pods();
    for (const auto& pod : pods->pods) found.push_back(pod.uid);
    return found;
  };
  EXPECT_THAT(uids(), ElementsAre(kOther));
  tree.add("memory/kubepods/pod" + kPodUid + "/");
  EXPECT_EQ(uids().size(), 2U);
}

TEST(FindPods, KeepsAnEmptyPodOfV2WhereV1HasNoPods) {
  const FakeTree tree({{"unified/cgroup.controllers", ""},
                       {"unified/kubepods/pod" + kPodUid + "/", ""},
                       {"memory/system.slice/", ""}});
  EXPECT_EQ(CgroupTree(tree.path()).find_pods()->pods.size(), 1U);
}

TEST(FindPods, ListsAPodThatHasNoContainerYet) {
  const FakeTree tree(
      {{"cgroup.controllers", ""}, {"kubepods/besteffort/pod" + kPodUid + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->pods.size(), 1U);
  EXPECT_THAT(found->pods.front().containers, IsEmpty());
}

TEST(FindPods, TakesADirectoryWithoutAnIdForAnUnnamedContainer) {
  const FakeTree tree(
      {{"cgroup.controllers", ""}, {"kubepods/pod" + kPodUid + "/kata_sandbox/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->pods.at(0).containers.size(), 1U);
  EXPECT_EQ(found->pods[0].containers[0].id, "");
  EXPECT_THAT(found->pods[0].containers[0].cgroup_directories,
              ElementsAre(Stands(tree.path("kubepods/pod" + kPodUid + "/kata_sandbox"), true)));
}

TEST(FindPods, TellsPodsApart) {
  const FakeTree tree({{"cgroup.controllers", ""},
                       {"kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
                       {"kubepods/burstable/pod" + kOther + "/" + kContainerB + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  std::vector<std::string> uids;
  for (const auto& pod : found->pods) uids.push_back(pod.uid);
  EXPECT_THAT(uids, UnorderedElementsAre(kPodUid, kOther));
}

TEST(FindPods, SeesThatThereIsNoKubelet) {
  const FakeTree tree({{"cgroup.controllers", ""}, {"docker/" + kContainerA + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->kubepods);
  EXPECT_THAT(found->pods, IsEmpty());
}

TEST(FindPods, SaysWhenThereIsNoCgroupTree) {
  const FakeTree tree;
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(found.error().what, ::testing::HasSubstr("paths.cgroup"));
}

TEST(FindPods, LooksForPodsWhateverUsersMake) {
  const FakeTree tree(
      {{"cgroup.controllers", ""},
       {"user.slice/user-1000.slice/kubepods/pod" + kPodUid + "/" + kContainerA + "/", ""},
       {"kubepods/pod" + kPodUid + "/" + kContainerB + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->pods.size(), 1U);
  ASSERT_EQ(found->pods[0].containers.size(), 1U);
  EXPECT_EQ(found->pods[0].containers[0].id, kContainerB);
}

TEST(FindPods, LooksIntoNoContainerOfAUsers) {
  const FakeTree tree({{"cgroup.controllers", ""},
                       {"system.slice/engine.service/" + kContainerA + "/below/deeper/", ""}});
  constexpr std::size_t kAbove = 3;  // the root, the slice, the service
  EXPECT_THAT(CgroupTree(tree.path(), 0, kAbove).find_pods()->errors, IsEmpty());
}

TEST(FindPods, SaysThatItHasNotLookedEverywhere) {
  const FakeTree tree({{"cgroup.controllers", ""},
                       {"many/1/below/", ""},
                       {"many/2/below/", ""},
                       {"kubepods/pod" + kPodUid + "/" + kContainerB + "/", ""}});
  EXPECT_THAT(CgroupTree(tree.path(), 0, 6).find_pods()->errors,
              IsEmpty());  // the root, and leaves of a file system
  const auto found = CgroupTree(tree.path(), 0, 3).find_pods();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pods.size(), 1U);
  ASSERT_EQ(found->errors.size(), 1U);
  EXPECT_EQ(found->errors[0].kind, ErrorKind::kOverLimit);
}

TEST(FindPods, GivesUpInATreeWithoutEnd) {
  std::string deep = "kubepods";
  for (int i = 0; i < 40; ++i) deep += "/x";
  const FakeTree tree({{"cgroup.controllers", ""}, {deep + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->errors.size(), 1U);
  EXPECT_THAT(found->errors.front().what, ::testing::HasSubstr("too deep"));
}

TEST(FindPods, SaysNothingThatALogCannotTake) {
  std::string deep = "kube\x1b[2Jpods\xff";
  for (int i = 0; i < 40; ++i) deep += "/x";
  const FakeTree tree({{"cgroup.controllers", ""}, {deep + "/", ""}});
  const auto found = CgroupTree(tree.path()).find_pods();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->errors.size(), 1U);
  EXPECT_THAT(found->errors.front().what, ::testing::HasSubstr("/kube?[2Jpods?/"));
}

/// A tree that is looked at again and again.
class KnownTree : public ::testing::Test {
 protected:
  static constexpr std::size_t kMany = 100;
  const std::string pod_ = "kubepods/pod" + kPodUid + "/";
  FakeTree tree_{{{"cgroup.controllers", ""},
                  {pod_ + kContainerA + "/cgroup.procs", "10\n"},
                  {pod_ + "crio-conmon-" + kContainerA + ".scope/cgroup.procs", "9\n"}}};
  CgroupTree known_{tree_.path(), kMany};

  /// Looks at it, which has to find what one finds that looks for the first time.
  std::vector<PodCgroup> look() {
    auto found = known_.find_pods();
    const auto anew = CgroupTree(tree_.path()).find_pods();
    EXPECT_TRUE(found && anew);
    EXPECT_THAT(found->errors, IsEmpty());
    EXPECT_EQ(described(found->pods), described(anew->pods));
    return std::move(found->pods);
  }

 private:
  static std::vector<std::string> described(const std::vector<PodCgroup>& pods) {
    std::vector<std::string> lines;
    for (const auto& pod : pods) {
      for (const auto& container : pod.containers) {
        for (const auto& directory : container.cgroup_directories) {
          lines.push_back(pod.uid + " " + container.id + " " + directory.path);
        }
      }
    }
    return lines;
  }
};

TEST_F(KnownTree, KeepsAContainerThatHasNotChanged) {
  look();
  const auto second = look();
  const auto again = look();
  const auto& kept = second.at(0).containers.at(0).cgroup_directories.at(0).open;
  EXPECT_NE(kept, nullptr);
  EXPECT_EQ(again.at(0).containers.at(0).cgroup_directories.at(0).open, kept);
}

TEST_F(KnownTree, SeesAContainerThatComes) {
  look();
  tree_.add(pod_ + kContainerB + "/");
  EXPECT_EQ(look().at(0).containers.size(), 2U);
}

TEST_F(KnownTree, SeesAContainerThatGoes) {
  look();
  tree_.remove(pod_ + kContainerA);
  EXPECT_THAT(look().at(0).containers, IsEmpty());
}

TEST_F(KnownTree, SeesAContainerThatTakesThePlaceOfAnother) {
  look();
  tree_.remove(pod_ + kContainerA);
  tree_.add(pod_ + kContainerB + "/");
  EXPECT_EQ(look().at(0).containers.at(0).id, kContainerB);
}

TEST_F(KnownTree, SeesThatAContainerIsAnotherOfTheSameName) {
  look();
  const auto before = look();
  tree_.remove(pod_ + kContainerA);
  tree_.add(pod_ + kContainerA + "/");
  look();
  EXPECT_NE(look().at(0).containers.at(0).cgroup_directories.at(0).open,
            before.at(0).containers.at(0).cgroup_directories.at(0).open);
}

TEST_F(KnownTree, SeesThatAPodIsAnotherOfTheSameName) {
  look();
  tree_.remove(pod_);
  tree_.add(pod_ + kContainerB + "/");
  EXPECT_EQ(look().at(0).containers.at(0).id, kContainerB);
}

TEST_F(KnownTree, SeesThatAPodGoes) {
  look();
  tree_.remove(pod_);
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(KnownTree, KeepsNoMoreThanItMay) {
  CgroupTree small(tree_.path(), 4);
  ASSERT_TRUE(small.find_pods());
  const auto found = small.find_pods();
  EXPECT_EQ(found->pods.at(0).containers.at(0).cgroup_directories.at(0).open, nullptr);
}

}  // namespace
}  // namespace closewatch
