#include "closewatch/pods/cgroup_tree.h"

#include "tests/support/fake_tree.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;
using testing::FakeTree;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kA = "a" + std::string(63, '1');
const std::string kB = "b" + std::string(63, '1');
const std::string kUid = "0f4e5d6c-7b8a-4910-a2b3-c4d5e6f70819";
const std::string kUidUnderscored = "0f4e5d6c_7b8a_4910_a2b3_c4d5e6f70819";
const std::string kOther = "1f4e5d6c-7b8a-4910-a2b3-c4d5e6f70819";

/// What one runtime's tree looks like, and the containers of the pod kUid in it.
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
        {slice + "cri-containerd-" + kA + ".scope/cgroup.procs", "10\n"},
        {slice + "cri-containerd-" + kB + ".scope/cgroup.procs", "20\n"},
        {"system.slice/containerd.service/", ""}},
       {kA, kB}},
      {"CrioSystemd",
       {{v2, ""},
        {slice + "crio-" + kA + ".scope/container/cgroup.procs", "10\n"},
        {slice + "crio-conmon-" + kA + ".scope/cgroup.procs", "9\n"},
        {slice + "run-crio.mount/", ""}},
       {kA}},
      {"DockerCgroupfs", {{v2, ""}, {"kubepods/burstable/pod" + kUid + "/" + kA + "/", ""}}, {kA}},
      {"CgroupV1",
       {{"memory/kubepods/pod" + kUid + "/" + kA + "/", ""},
        {"pids/kubepods/pod" + kUid + "/" + kA + "/", ""},
        {"cpu,cpuacct/kubepods/pod" + kUid + "/" + kA + "/", ""}},
       {kA}},
      {"Hybrid",
       {{"unified/cgroup.controllers", ""},
        {"unified/kubepods/pod" + kUid + "/" + kA + "/", ""},
        {"memory/kubepods/pod" + kUid + "/" + kA + "/", ""},
        {"memory/kubepods/pod" + kUid + "/" + kB + "/", ""}},
       {kA, kB}},
      {"HybridWhoseUnifiedIsEmpty",
       {{"unified/cgroup.controllers", ""}, {"memory/kubepods/pod" + kUid + "/" + kA + "/", ""}},
       {kA}},
      {"DriverMismatch",
       {{v2, ""},
        {"kubepods.slice/kubepods-pod" + kUidUnderscored + ".slice/", ""},
        {"system.slice/containerd.service/kubepods-pod" + kUidUnderscored +
             ".slice:cri-containerd:" + kA + "/cgroup.procs",
         "10\n"}},
       {kA}},
      {"Kind",
       {{v2, ""},
        {"docker/" + kB + "/kubelet/kubepods/burstable/pod" + kUid + "/" + kA + "/", ""},
        {"docker/" + kB + "/system.slice/kubelet.service/", ""}},
       {kA}},
  };
}

class CgroupTree : public ::testing::TestWithParam<RuntimeTree> {};

TEST_P(CgroupTree, ShowsThePodsContainers) {
  const FakeTree tree(GetParam().entries);
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_TRUE(found->kubepods);
  EXPECT_THAT(found->errors, IsEmpty());
  ASSERT_EQ(found->pods.size(), 1U);
  EXPECT_EQ(found->pods.front().uid, kUid);
  std::vector<std::string> ids;
  for (const auto& container : found->pods.front().containers) ids.push_back(container.id);
  EXPECT_EQ(ids, GetParam().containers);
}

INSTANTIATE_TEST_SUITE_P(EachRuntime, CgroupTree, ::testing::ValuesIn(runtime_trees()),
                         [](const auto& tested) { return tested.param.name; });

TEST(FindPods, KeepsAContainersFoldersInBothHierarchiesOfAHybridTree) {
  const FakeTree tree({{"unified/cgroup.controllers", ""},
                       {"unified/kubepods/pod" + kUid + "/" + kA + "/", ""},
                       {"memory/kubepods/pod" + kUid + "/" + kA + "/", ""}});
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found);
  EXPECT_THAT(found->pods.at(0).containers.at(0).cgroup_folders,
              ElementsAre(CgroupFolder{tree.path("unified/kubepods/pod" + kUid + "/" + kA), true},
                          CgroupFolder{tree.path("memory/kubepods/pod" + kUid + "/" + kA), false}));
}

TEST(FindPods, LeavesOutWhatAKubeletOfV1HasLeftInV2) {
  FakeTree tree({{"unified/cgroup.controllers", ""},
                 {"unified/kubepods/pod" + kUid + "/", ""},
                 {"unified/kubepods/pod" + kOther + "/" + kB + "/", ""},
                 {"memory/kubepods/", ""}});
  const auto uids = [&] {
    std::vector<std::string> found;
    const auto pods = find_pods(tree.path());
    for (const auto& pod : pods->pods) found.push_back(pod.uid);
    return found;
  };
  EXPECT_THAT(uids(), ElementsAre(kOther));
  tree.add("memory/kubepods/pod" + kUid + "/");
  EXPECT_EQ(uids().size(), 2U);
}

TEST(FindPods, KeepsAnEmptyPodOfV2WhereV1HasNoPods) {
  const FakeTree tree({{"unified/cgroup.controllers", ""},
                       {"unified/kubepods/pod" + kUid + "/", ""},
                       {"memory/system.slice/", ""}});
  EXPECT_EQ(find_pods(tree.path())->pods.size(), 1U);
}

TEST(FindPods, ListsAPodThatHasNoContainerYet) {
  const FakeTree tree({{"cgroup.controllers", ""}, {"kubepods/besteffort/pod" + kUid + "/", ""}});
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->pods.size(), 1U);
  EXPECT_THAT(found->pods.front().containers, IsEmpty());
}

TEST(FindPods, TakesAFolderWithoutAnIdForAnUnnamedContainer) {
  const FakeTree tree({{"cgroup.controllers", ""}, {"kubepods/pod" + kUid + "/kata_sandbox/", ""}});
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->pods.at(0).containers.size(), 1U);
  EXPECT_EQ(found->pods[0].containers[0].id, "");
  EXPECT_THAT(found->pods[0].containers[0].cgroup_folders,
              ElementsAre(CgroupFolder{tree.path("kubepods/pod" + kUid + "/kata_sandbox"), true}));
}

TEST(FindPods, TellsPodsApart) {
  const FakeTree tree({{"cgroup.controllers", ""},
                       {"kubepods/pod" + kUid + "/" + kA + "/", ""},
                       {"kubepods/burstable/pod" + kOther + "/" + kB + "/", ""}});
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found);
  std::vector<std::string> uids;
  for (const auto& pod : found->pods) uids.push_back(pod.uid);
  EXPECT_THAT(uids, UnorderedElementsAre(kUid, kOther));
}

TEST(FindPods, SeesThatThereIsNoKubelet) {
  const FakeTree tree({{"cgroup.controllers", ""}, {"docker/" + kA + "/", ""}});
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->kubepods);
  EXPECT_THAT(found->pods, IsEmpty());
}

TEST(FindPods, SaysWhenThereIsNoCgroupTree) {
  const FakeTree tree;
  const auto found = find_pods(tree.path());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(found.error().what, ::testing::HasSubstr("paths.cgroup"));
}

TEST(FindPods, GivesUpInATreeWithoutEnd) {
  std::string deep = "kubepods";
  for (int i = 0; i < 40; ++i) deep += "/x";
  const FakeTree tree({{"cgroup.controllers", ""}, {deep + "/", ""}});
  const auto found = find_pods(tree.path());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->errors.size(), 1U);
  EXPECT_THAT(found->errors.front().what, ::testing::HasSubstr("too deep"));
}

}  // namespace
}  // namespace closewatch
