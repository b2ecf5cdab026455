// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/pod_logs.h"

#include "tests/support/fake_tree.h"
#include "tests/support/sample_ids.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::FakeTree;
using testing::kContainerA;
using testing::kContainerB;
using testing::kContainerC;

TEST(ParsePodLogName, SplitsAtTheUnderscores) {
  const auto name = parse_pod_log_name("shop_cart-5d9c.v2_0f4e5d6c-7b8a");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->pod_namespace, "shop");
  EXPECT_EQ(name->name, "cart-5d9c.v2");
  EXPECT_EQ(name->uid, "0f4e5d6c-7b8a");
}

TEST(ParsePodLogName, RefusesAnythingElse) {
  for (const auto* const wrong : {"", "shop", "shop_cart", "_cart_1", "shop__1", "shop_cart_",
                                  "shop_cart_1_2", "lost+found", "shop_c\xFFrt_1"}) {
    EXPECT_FALSE(parse_pod_log_name(wrong)) << wrong;
  }
}

TEST(ParseContainerLogName, TakesTheNameBeforeTheId) {
  const auto link = "cart-0_shop_istio-proxy-" + kContainerA + ".log";
  const auto name = parse_container_log_name(link);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->container, "istio-proxy");
  EXPECT_EQ(name->id, kContainerA);
}

TEST(ParseContainerLogName, RefusesAnythingElse) {
  for (const auto& wrong :
       {std::string(), "cart_shop_app-" + kContainerA,
        "cart_shop_app-" + kContainerA.substr(1) + ".log", "cart_app-" + kContainerA + ".log",
        "cart_shop_-" + kContainerA + ".log", "cart_shop_app" + kContainerA + ".log"}) {
    EXPECT_FALSE(parse_container_log_name(wrong)) << wrong;
  }
}

/// As the kubelet writes it: cut before ".log", so that it is 255 long.
std::string link_of(const std::string& pod, const std::string& container, const std::string& id) {
  return (pod + "_shop_" + container + "-" + id).substr(0, 251) + ".log";
}

TEST(ParseContainerLogName, TakesTheBeginningOfAnIdThatWasCut) {
  const std::string pod(170, 'p');
  const auto link = link_of(pod, "istio-proxy", kContainerA);
  const auto name = parse_container_log_name(link);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->container, "istio-proxy");
  EXPECT_EQ(name->id, kContainerA.substr(0, name->id.size()));
  EXPECT_EQ(name->id.size(), 251 - pod.size() - std::string("_shop_istio-proxy-").size());
}

TEST(ParseContainerLogName, RefusesWhereTooLittleIsLeft) {
  for (const std::size_t length : {230U, 231U, 240U, 253U}) {
    const auto link = link_of(std::string(length, 'p'), "istio-proxy", kContainerA);
    EXPECT_FALSE(parse_container_log_name(link)) << link;
  }
}

TEST(PodLogs, NamesAContainerWhoseLinkIsCut) {
  const std::string pod(170, 'p');
  const FakeTree tree({{"pods/", ""},
                       {"containers/" + link_of(pod, "app", kContainerA), ""},
                       {"containers/" + link_of(pod, "proxy", kContainerB), ""}});
  PodLogs logs(tree.path("pods"), tree.path("containers"));
  ASSERT_TRUE(logs.refresh());
  EXPECT_EQ(logs.container_name(kContainerA), "app");
  EXPECT_EQ(logs.container_name(kContainerB), "proxy");
  EXPECT_EQ(logs.container_name(kContainerC), std::nullopt);
}

TEST(PodLogs, NamesPodsAndContainers) {
  const FakeTree tree({{"pods/shop_cart-0_uid-1/", ""},
                       {"pods/kube-system_etcd-node_1234567890abcdef1234567890abcdef/", ""},
                       {"containers/cart-0_shop_app-" + kContainerA + ".log", ""}});
  PodLogs logs(tree.path("pods"), tree.path("containers"));
  ASSERT_TRUE(logs.refresh());
  const auto pod = logs.pod("uid-1");
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->pod_namespace, "shop");
  EXPECT_EQ(pod->name, "cart-0");
  EXPECT_EQ(pod->workload, "");
  EXPECT_EQ(logs.pod("1234567890abcdef1234567890abcdef")->name, "etcd-node");
  EXPECT_EQ(logs.container_name(kContainerA), "app");
  EXPECT_EQ(logs.pod("uid-2"), std::nullopt);
  EXPECT_EQ(logs.container_name("x"), std::nullopt);
}

TEST(PodLogs, ForgetsAPodWhoseDirectoryHasGone) {
  const FakeTree tree({{"pods/shop_cart-0_uid-1/", ""}, {"containers/", ""}});
  PodLogs logs(tree.path("pods"), tree.path("containers"));
  ASSERT_TRUE(logs.refresh());
  tree.remove("pods/shop_cart-0_uid-1");
  ASSERT_TRUE(logs.refresh());
  EXPECT_FALSE(logs.pod("uid-1"));
}

TEST(PodLogs, NamesPodsWithoutTheDirectoryOfContainers) {
  const FakeTree tree({{"pods/shop_cart-0_uid-1/", ""}, {"elsewhere/", ""}});
  PodLogs logs(tree.path("pods"), tree.path("containers"));
  EXPECT_FALSE(logs.refresh());
  EXPECT_TRUE(logs.pod("uid-1"));
}

TEST(PodLogs, KeepsTheLastNamesWhenTheDirectoryCannotBeRead) {
  const FakeTree tree({{"pods/shop_cart-0_uid-1/", ""}, {"containers/", ""}});
  PodLogs logs(tree.path("pods"), tree.path("containers"));
  ASSERT_TRUE(logs.refresh());
  tree.remove("pods");
  const auto refreshed = logs.refresh();
  ASSERT_FALSE(refreshed);
  EXPECT_NE(refreshed.error().what.find("pods"), std::string::npos);
  EXPECT_TRUE(logs.pod("uid-1"));
}

}  // namespace
}  // namespace closewatch
