// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/api_metadata.h"

#include "tests/support/fake_tree.h"
#include "tests/support/sample_ids.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/pods/pod_logs.h"

namespace closewatch {
namespace {

using ::testing::HasSubstr;

using testing::kContainerA;

class ApiMetadataTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string name_of(std::string_view uid) const {
    const auto pod = metadata_.pod(uid);
    return pod ? pod->pod_namespace + "/" + pod->name + " " + pod->workload : "";
  }

  testing::FakeTree tree_{{{"pods/shop_cart-0_u-1/", ""},
                           {"pods/shop_late-0_u-2/", ""},
                           {"containers/cart-0_shop_app-" + kContainerA + ".log", ""}}};
  PodDirectory directory_;
  ApiMetadata metadata_{directory_,
                        std::make_unique<PodLogs>(tree_.path("pods"), tree_.path("containers"))};
};

TEST_F(ApiMetadataTest, PrefersTheApiServerAndFillsInFromTheLogs) {
  directory_.replace({{"u-1", "", {"shop", "cart-0", "StatefulSet", "cart"}}});
  directory_.set_state({});
  EXPECT_TRUE(metadata_.refresh());
  EXPECT_EQ(metadata_.follows_api_server(), true);
  EXPECT_EQ(name_of("u-1"), "shop/cart-0 cart");
  EXPECT_EQ(name_of("u-2"), "shop/late-0 ");
  EXPECT_EQ(name_of("u-3"), "");
  EXPECT_EQ(metadata_.container_name(kContainerA), "app");
}

TEST_F(ApiMetadataTest, KeepsWhatIsKnownWhileTheApiServerIsAway) {
  directory_.replace({{"u-1", "", {"shop", "cart-0", "StatefulSet", "cart"}}});
  directory_.set_state(fail(ErrorKind::kSystem, "connection refused"));
  const auto refreshed = metadata_.refresh();
  ASSERT_FALSE(refreshed);
  EXPECT_THAT(refreshed.error().what, HasSubstr("connection refused; the names last known stay"));
  EXPECT_EQ(metadata_.follows_api_server(), false);
  EXPECT_EQ(name_of("u-1"), "shop/cart-0 cart");
  EXPECT_EQ(name_of("u-2"), "shop/late-0 ");
}

TEST_F(ApiMetadataTest, SaysThatTheApiServerHasNotAnsweredYet) {
  EXPECT_FALSE(directory_.settled());
  EXPECT_THAT(metadata_.refresh().error().what, HasSubstr("not answered yet"));
  EXPECT_EQ(name_of("u-1"), "shop/cart-0 ");
}

TEST_F(ApiMetadataTest, TellsOfLogsThatCannotBeRead) {
  directory_.set_state({});
  tree_.remove("pods");
  EXPECT_FALSE(metadata_.refresh());
  EXPECT_EQ(metadata_.follows_api_server(), true);
}

TEST(PodDirectory, KnowsAStaticPodByTheHashThatItsCgroupCarries) {
  PodDirectory directory;
  const PodObject pod{"u-1", "abc", {"kube-system", "etcd", "", ""}};
  (void)directory.put(pod);
  EXPECT_TRUE(directory.find("abc"));
  EXPECT_FALSE(directory.find("u-1"));
  directory.replace({pod});
  EXPECT_TRUE(directory.find("abc"));
  directory.erase(pod);
  EXPECT_FALSE(directory.find("abc"));
}

TEST(PodDirectory, ForgetsWhatAFreshListLacks) {
  PodDirectory directory;
  (void)directory.put({"u-1", "", {"shop", "cart", "", ""}});
  directory.replace({{"u-2", "", {"shop", "cart", "", ""}}});
  EXPECT_FALSE(directory.find("u-1"));
  EXPECT_TRUE(directory.find("u-2"));
}

}  // namespace
}  // namespace closewatch
