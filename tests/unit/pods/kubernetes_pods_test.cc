// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_proc.h"
#include "tests/support/sample_ids.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/pods/node_pods.h"
#include "closewatch/pods/pod_logs.h"

namespace closewatch {
namespace {

using testing::FakeProc;
using testing::FakeTree;

using testing::kContainerA;
using testing::kPodUid;
const std::string kNameless = "1f4e5d6c-7b8a-4910-a2b3-c4d5e6f70819";

class NodePodsTest : public ::testing::Test {
 protected:
  [[nodiscard]] NodePods source(PodDiscovery discovery) const {
    auto logs = std::make_unique<PodLogs>(tree_.path("pods"), tree_.path("containers"));
    return {discovery,
            std::make_unique<KubernetesPods>(proc_.path(), tree_.path("cgroup"), std::move(logs)),
            std::make_unique<StandaloneNamespaces>(proc_.path(), tree_.path("netns"))};
  }

  void kubelet() const {
    tree_.add("cgroup/kubepods/pod" + kPodUid + "/" + kContainerA + "/");
    tree_.add("cgroup/kubepods/pod" + kNameless + "/");
    tree_.add("pods/shop_cart-0_" + kPodUid + "/");
    tree_.add("containers/cart-0_shop_app-" + kContainerA + ".log");
  }

  FakeProc proc_;
  FakeTree tree_{{{"cgroup/cgroup.controllers", ""}}};
};

TEST_F(NodePodsTest, NamesPodsAndKeepsTheNameless) {
  kubelet();
  const auto list = source(PodDiscovery::kAuto).list();
  ASSERT_TRUE(list) << list.error().what;
  ASSERT_EQ(list->pods.size(), 2U);
  EXPECT_EQ(list->pods[0].pod_namespace, "shop");
  EXPECT_EQ(list->pods[0].name, "cart-0");
  EXPECT_EQ(list->pods[0].uid, kPodUid);
  EXPECT_TRUE(list->pods[0].named);
  EXPECT_EQ(list->pods[0].containers.at(0).name, "app");
  EXPECT_EQ(list->pods[1].pod_namespace, "unknown");
  EXPECT_EQ(list->pods[1].name, kNameless);
  EXPECT_FALSE(list->pods[1].named);
  EXPECT_TRUE(list->name_errors.empty());
}

TEST_F(NodePodsTest, ListsPodsEvenWithoutAnyName) {
  kubelet();
  tree_.remove("pods");
  const auto list = source(PodDiscovery::kKubernetes).list();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->pods.size(), 2U);
  EXPECT_EQ(list->name_errors.size(), 1U);
}

TEST_F(NodePodsTest, TakesNamespacesWhereThereIsNoKubelet) {
  proc_.process(10, "sleep", "0::/user.slice\n", "lonely");
  proc_.process(11, "docker-app", "0::/docker/" + kContainerA + "\n", "container");
  const auto list = source(PodDiscovery::kAuto).list();
  ASSERT_TRUE(list) << list.error().what;
  std::vector<std::string> names;
  for (const auto& pod : list->pods) names.push_back(pod.pod_namespace + "/" + pod.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("netns/sleep-10",
                                                     "netns/" + kContainerA.substr(0, 12)));
}

TEST_F(NodePodsTest, ChoosesAnewEachTime) {
  proc_.process(10, "sleep", "0::/user.slice\n", "lonely");
  auto pods = source(PodDiscovery::kAuto);
  EXPECT_EQ(pods.list()->pods.at(0).name, "sleep-10");
  kubelet();
  EXPECT_EQ(pods.list()->pods.at(0).name, "cart-0");
}

TEST_F(NodePodsTest, DoesAsItIsTold) {
  proc_.process(10, "sleep", "0::/user.slice\n", "lonely");
  EXPECT_TRUE(source(PodDiscovery::kKubernetes).list()->pods.empty());
  kubelet();
  EXPECT_EQ(source(PodDiscovery::kStandalone).list()->pods.at(0).name, "sleep-10");
}

TEST_F(NodePodsTest, SaysWhenKubernetesHasNoCgroupTree) {
  tree_.remove("cgroup");
  EXPECT_FALSE(source(PodDiscovery::kKubernetes).list());
  EXPECT_TRUE(source(PodDiscovery::kAuto).list());
}

TEST_F(NodePodsTest, NamesANamespaceByItsOldestProcess) {
  proc_.process(30, "late", "0::/\n", "shared");
  proc_.process(20, "early", "0::/\n", "shared");
  proc_.process(25, "later", "0::/\n", "shared");
  const auto list = source(PodDiscovery::kStandalone).list();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->pods.size(), 1U);
  EXPECT_EQ(list->pods[0].name, "early-20");
}

TEST_F(NodePodsTest, KeepsNamesakesApart) {
  proc_.process(10, "app", "0::/docker/" + kContainerA + "\n", "one");
  proc_.process(11, "app", "0::/docker/" + kContainerA + "\n", "two");
  const auto list = source(PodDiscovery::kStandalone).list();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->pods.size(), 2U);
  EXPECT_NE(list->pods[0].name, list->pods[1].name);
}

TEST_F(NodePodsTest, MakesAProcessNameFitForALabel) {
  proc_.process(20,
                "b\xFF\x01"
                "d",
                "0::/\n", "odd");
  const auto list = source(PodDiscovery::kStandalone).list();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->pods.at(0).name, "b??d-20");
}

}  // namespace
}  // namespace closewatch
