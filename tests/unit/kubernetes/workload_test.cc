// SPDX-License-Identifier: Apache-2.0
#include "kubernetes/workload.h"

#include <ostream>

#include <gtest/gtest.h>

namespace closewatch {

void PrintTo(const Workload& workload, std::ostream* out) {
  *out << workload.kind << "/" << workload.name;
}

namespace {

TEST(WorkloadOf, IsTheControllerItself) {
  for (const auto* const kind : {"StatefulSet", "DaemonSet", "ReplicationController", "Rollout"}) {
    EXPECT_EQ(workload_of(kind, "cart", ""), (Workload{kind, "cart"}));
  }
}

TEST(WorkloadOf, IsTheDeploymentOfAReplicaSetNamedByThePodsHash) {
  EXPECT_EQ(workload_of("ReplicaSet", "cart-api-5d9c", "5d9c"),
            (Workload{"Deployment", "cart-api"}));
}

TEST(WorkloadOf, IsTheReplicaSetWhenNoHashTellsOfADeployment) {
  for (const auto* const hash : {"", "5d9d", "d9c", "cart-5d9c", "-5d9c", "t-5d9c"}) {
    EXPECT_EQ(workload_of("ReplicaSet", "cart-5d9c", hash), (Workload{"ReplicaSet", "cart-5d9c"}))
        << hash;
  }
  EXPECT_EQ(workload_of("ReplicaSet", "-5d9c", "5d9c"), (Workload{"ReplicaSet", "-5d9c"}));
  EXPECT_EQ(workload_of("StatefulSet", "cart-5d9c", "5d9c"),
            (Workload{"StatefulSet", "cart-5d9c"}));
}

TEST(WorkloadOf, IsTheCronJobOfAJobNamedByItsSchedule) {
  EXPECT_EQ(workload_of("Job", "backup-29391840", ""), (Workload{"CronJob", "backup"}));
  EXPECT_EQ(workload_of("Job", "night-ly-1763510400", ""), (Workload{"CronJob", "night-ly"}));
}

TEST(WorkloadOf, IsTheJobWhenItsNameIsNoSchedule) {
  for (const auto* const name :
       {"backup", "backup-", "backup-20260131", "backup-2026", "backup-29391840x",
        "backup-12345678", "29391840", "-29391840", "backup-9999999999", "backup-293918400"}) {
    EXPECT_EQ(workload_of("Job", name, ""), (Workload{"Job", name}));
  }
}

TEST(WorkloadOf, IsUnknownWithoutControllerOrWithANodeForOne) {
  EXPECT_EQ(workload_of("", "", ""), Workload());
  EXPECT_EQ(workload_of("Node", "worker-1", ""), Workload());
}

}  // namespace
}  // namespace closewatch
