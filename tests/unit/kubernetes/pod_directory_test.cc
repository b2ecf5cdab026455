// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_directory.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

PodObject object_of(const std::string& uid, const std::string& name, const std::string& hash = "") {
  return {uid, hash, {"shop", name, "", ""}};
}

class PodDirectoryTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string name_of(const std::string& uid) const {
    const auto found = directory_.find(uid);
    return found ? found->name : "";
  }

  PodDirectory directory_;
};

TEST_F(PodDirectoryTest, KnowsMirrorsByTheUidThatTheirCgroupsCarry) {
  directory_.replace({object_of("u1", "proxy", "hash")});
  EXPECT_EQ(name_of("hash"), "proxy");
  ASSERT_TRUE(directory_.put(object_of("u1", "proxy", "changed")));
  EXPECT_EQ(name_of("hash"), "");
  EXPECT_EQ(name_of("changed"), "proxy");
  directory_.erase(object_of("u1", "proxy", "changed"));
  EXPECT_EQ(name_of("changed"), "");
}

TEST_F(PodDirectoryTest, NoPodTakesAnothersNameByAnAnnotation) {
  for (const bool is_listed : {true, false}) {
    if (is_listed) {
      directory_.replace({object_of("u1", "cart"), object_of("u2", "thief", "u1")});
    } else {
      directory_.replace({object_of("u1", "cart")});
      ASSERT_TRUE(directory_.put(object_of("u2", "thief", "u1")));
    }
    EXPECT_EQ(name_of("u1"), "cart");
    directory_.erase(object_of("u2", "thief", "u1"));
    EXPECT_EQ(name_of("u1"), "cart");
  }
}

TEST_F(PodDirectoryTest, WhatTwoClaimIsNobodys) {
  directory_.replace({object_of("u1", "proxy", "hash"), object_of("u2", "thief", "hash")});
  EXPECT_EQ(name_of("hash"), "");
  directory_.erase(object_of("u2", "thief", "hash"));
  EXPECT_EQ(name_of("hash"), "proxy");
}

TEST_F(PodDirectoryTest, TakesAPodsChangeHoweverManyThereAre) {
  std::vector<PodObject> pods;
  for (std::size_t i = 0; i < kMostPods; ++i) pods.push_back(object_of(std::to_string(i), "p"));
  directory_.replace(std::move(pods));
  EXPECT_TRUE(directory_.put(object_of("7", "changed")));
  EXPECT_EQ(name_of("7"), "changed");
  const auto beyond = directory_.put(object_of("beyond", "p"));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().kind, ErrorKind::kOverLimit);
}

/// Most of what a watch tells is a pod's status, which is no news.
TEST(PodDirectoryChanges, AreToldWhenThereAreAny) {
  int changes = 0;
  PodDirectory directory([&changes] { ++changes; });
  const PodObject pod{"uid-a", "", {"shop", "a", "Deployment", "cart"}};
  ASSERT_TRUE(directory.put(pod));
  EXPECT_EQ(changes, 1);
  ASSERT_TRUE(directory.put(pod));
  EXPECT_EQ(changes, 1);
  auto renamed = pod;
  renamed.metadata.workload = "other";
  ASSERT_TRUE(directory.put(renamed));
  EXPECT_EQ(changes, 2);
  directory.set_state({});
  EXPECT_EQ(changes, 3);
  directory.set_state({});
  EXPECT_EQ(changes, 3);
  directory.set_state(fail(ErrorKind::kSystem, "away"));
  EXPECT_EQ(changes, 4);
  EXPECT_EQ(directory.pods(), std::vector{renamed});
  directory.erase(renamed);
  EXPECT_EQ(changes, 5);
  directory.replace({pod});
  EXPECT_EQ(changes, 6);
}

}  // namespace
}  // namespace closewatch
