// SPDX-License-Identifier: Apache-2.0
#include "pods/cgroup_path.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

// 64 digits each, told apart by their first.
#define DIGITS_63 "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID_A "a" DIGITS_63
#define ID_B "b" DIGITS_63
#define UID "0f4e5d6c-7b8a-4910-a2b3-c4d5e6f70819"
#define UID_UNDERSCORED "0f4e5d6c_7b8a_4910_a2b3_c4d5e6f70819"
#define STATIC_UID "1234567890abcdef1234567890abcdef"

struct Case {
  const char* name;
  const char* path;
  const char* pod_uid;
  const char* container_id;
  bool ignored = false;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.path; }

class CgroupPath : public ::testing::TestWithParam<Case> {};

TEST_P(CgroupPath, IsLocated) {
  const auto& expected = GetParam();
  const auto position = locate(expected.path);
  EXPECT_EQ(position.ignored, expected.ignored);
  if (expected.ignored) return;
  EXPECT_EQ(position.pod_uid, expected.pod_uid);
  EXPECT_EQ(position.container_id, expected.container_id);
}

INSTANTIATE_TEST_SUITE_P(
    Table, CgroupPath,
    ::testing::Values(
        // cgroupfs driver
        Case{"CgroupfsGuaranteed", "/kubepods/pod" UID "/" ID_A, UID, ID_A},
        Case{"CgroupfsBurstable", "/kubepods/burstable/pod" UID "/" ID_A, UID, ID_A},
        Case{"CgroupfsBestEffort", "/kubepods/besteffort/pod" UID "/" ID_A, UID, ID_A},
        Case{"CgroupfsStaticPod", "/kubepods/burstable/pod" STATIC_UID "/" ID_A, STATIC_UID, ID_A},
        Case{"CgroupfsPodDirectory", "/kubepods/burstable/pod" UID, UID, ""},
        Case{"CgroupfsQosDirectory", "/kubepods/burstable", "", ""},
        Case{"CgroupfsCrio", "/kubepods/burstable/pod" UID "/crio-" ID_A, UID, ID_A},
        // systemd driver
        Case{"SystemdGuaranteed",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/cri-containerd-" ID_A ".scope",
             UID, ID_A},
        Case{"SystemdBurstable",
             "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_UNDERSCORED
             ".slice/cri-containerd-" ID_A ".scope",
             UID, ID_A},
        Case{"SystemdBestEffort",
             "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_UNDERSCORED
             ".slice/cri-containerd-" ID_A ".scope",
             UID, ID_A},
        Case{"SystemdStaticPod",
             "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID
             ".slice/crio-" ID_A ".scope",
             STATIC_UID, ID_A},
        Case{"SystemdCrio",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/crio-" ID_A ".scope", UID,
             ID_A},
        Case{"SystemdDocker",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/docker-" ID_A ".scope", UID,
             ID_A},
        Case{"SystemdNerdctl",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/nerdctl-" ID_A ".scope", UID,
             ID_A},
        Case{"SystemdPodDirectory", "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice", UID,
             ""},
        Case{"SystemdQosDirectory", "/kubepods.slice/kubepods-burstable.slice", "", ""},
        // one driver in the kubelet, the other in the runtime
        Case{"MismatchContainerd",
             "/system.slice/containerd.service/kubepods-burstable-pod" UID_UNDERSCORED
             ".slice:cri-containerd:" ID_A,
             UID, ID_A},
        Case{"MismatchAtTheRoot", "/kubepods-pod" UID_UNDERSCORED ".slice:crio:" ID_A, UID, ID_A},
        // nested: kind and k3d run a node in a container
        Case{"KindCgroupfs", "/docker/" ID_B "/kubelet/kubepods/burstable/pod" UID "/" ID_A, UID,
             ID_A},
        Case{"KindSystemd",
             "/system.slice/docker-" ID_B
             ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
             "kubelet-kubepods-besteffort-pod" UID_UNDERSCORED ".slice/cri-containerd-" ID_A
             ".scope",
             UID, ID_A},
        Case{"K3d", "/docker/" ID_B "/kubepods/besteffort/pod" UID "/" ID_A, UID, ID_A},
        Case{"NspawnNode",
             "/machine.slice/systemd-nspawn@node.service/payload/kubepods/pod" UID "/" ID_A, UID,
             ID_A},
        // `--cgroup-root`
        Case{"CgroupRootCgroupfs", "/edge-pods/kubepods/burstable/pod" UID "/" ID_A, UID, ID_A},
        Case{
            "CgroupRootSystemd",
            "/edge.slice/edge-pods.slice/edge-pods-kubepods.slice/edge-pods-kubepods-pod" UID_UNDERSCORED
            ".slice/cri-containerd-" ID_A ".scope",
            UID, ID_A},
        Case{"CgroupRootIsNoPod", "/edge.slice/edge-pods.slice/edge-pods-kubepods.slice", "", ""},
        Case{"CgroupRootLikeTheKubeletsIsNoPod", "/kubepods-edge/pods/kubepods", "", ""},
        // what others than root may have made
        Case{"ForgedSliceOfAUser",
             "/user.slice/user-1000.slice/user@1000.service/kubepods-pod" UID_UNDERSCORED
             ".slice/" ID_A,
             "", ID_A},
        Case{
            "ForgedTreeOfAUser",
            "/user.slice/user-1000.slice/user@1000.service/kubepods.slice/kubepods-pod" UID_UNDERSCORED
            ".slice/cri-containerd-" ID_A ".scope",
            "", ID_A},
        Case{"ForgedTreeOfASession", "/user.slice/session-1.scope/kubepods/pod" UID "/" ID_A, "",
             ID_A},
        Case{"ForgedTreeOfAService", "/system.slice/ci.service/kubepods/pod" UID "/" ID_A, "",
             ID_A},
        Case{"ForgedMismatchOfAUser",
             "/user.slice/user-1000.slice/user@1000.service/kubepods-pod" UID_UNDERSCORED
             ".slice:crio:" ID_A,
             "", ""},
        Case{"ForgedMismatchDeepInAService",
             "/system.slice/ci.service/deep/kubepods-pod" UID_UNDERSCORED ".slice:crio:" ID_A, "",
             ""},
        Case{"SliceOutsideTheKubeletsTree",
             "/jobs.slice/kubepods-pod" UID_UNDERSCORED ".slice/cri-containerd-" ID_A ".scope", "",
             ID_A},
        // below a container everything is the container's
        Case{"BelowAContainer",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/cri-containerd-" ID_A
             ".scope/init.scope",
             UID, ID_A},
        Case{"ContainerInAPodsContainer", "/kubepods/pod" UID "/" ID_A "/docker/" ID_B, UID, ID_A},
        Case{"PodInAPodsContainer", "/kubepods/pod" UID "/" ID_A "/kubepods/pod" STATIC_UID, UID,
             ID_A},
        // runtimes' own
        Case{"CrioConmon",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/crio-conmon-" ID_A ".scope", "",
             "", true},
        Case{"CrioConmonCgroupfs", "/kubepods/pod" UID "/crio-conmon-" ID_A, "", "", true},
        Case{"ConmonCgroupfs", "/kubepods/pod" UID "/conmon", "", "", true},
        Case{"PodmanConmon", "/machine.slice/libpod-conmon-" ID_A ".scope", "", "", true},
        Case{"Mount", "/system.slice/run-netns-cni.mount", "", "", true},
        Case{"MountOfAContainer",
             "/kubepods.slice/kubepods-pod" UID_UNDERSCORED ".slice/var-lib-" ID_A ".mount", "", "",
             true},
        // no pods
        Case{"PlainDocker", "/docker/" ID_A, "", ID_A},
        Case{"PlainDockerSystemd", "/system.slice/docker-" ID_A ".scope", "", ID_A},
        Case{"Podman", "/machine.slice/libpod-" ID_A ".scope/container", "", ID_A},
        Case{"DockerInDocker", "/docker/" ID_A "/docker/" ID_B, "", ID_B},
        Case{"ServiceDirectory", "/system.slice/sshd.service", "", ""}, Case{"Root", "/", "", ""},
        Case{"Nothing", "", "", ""},
        Case{"PodDirectoryOutsideKubepods", "/system.slice/pod" UID "/" ID_A, "", ID_A},
        Case{"UppercaseIsNoId", "/kubepods/pod" UID "/A" DIGITS_63, UID, ""},
        Case{"ShortIdIsNoId", "/kubepods/pod" UID "/" DIGITS_63, UID, ""},
        Case{"SliceWithoutUid", "/kubepods.slice/kubepods-pod.slice", "", ""},
        Case{"MismatchWithoutId", "/kubepods-pod" UID_UNDERSCORED ".slice:cri-containerd:short", "",
             ""}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(CgroupPathOf, AUidIsNoLongerThanAName) {
  const std::string longest(253, 'a');
  EXPECT_EQ(locate("/kubepods/pod" + longest).pod_uid, longest);
  EXPECT_EQ(locate("/kubepods/pod" + longest + "a").pod_uid, "");
  EXPECT_EQ(locate("/kubepods.slice/kubepods-pod" + longest + ".slice").pod_uid, longest);
  EXPECT_EQ(locate("/kubepods.slice/kubepods-pod" + longest + "a.slice").pod_uid, "");
}

TEST(ListsDirectory, FindsADirectoryOfAnyLine) {
  constexpr const char* kCgroup =
      "12:pids:/kubepods/burstable/pod" UID "/" ID_A "\n0::/unified/" ID_B "/init.scope\n";
  EXPECT_TRUE(lists_directory(kCgroup, ID_A));
  EXPECT_TRUE(lists_directory(kCgroup, ID_B));
  EXPECT_TRUE(lists_directory(kCgroup, "init.scope"));
  EXPECT_FALSE(lists_directory(kCgroup, DIGITS_63));  // not a part of a name
  EXPECT_FALSE(lists_directory(kCgroup, "pids"));
  EXPECT_FALSE(lists_directory("", ID_A));
}

TEST(ListsDirectory, WorksFromInsideAnotherCgroupNamespace) {
  EXPECT_TRUE(
      lists_directory("0::/../cri-containerd-" ID_A ".scope\n", "cri-containerd-" ID_A ".scope"));
}

TEST(ContainerOf, TakesTheFirstLineThatNamesOne) {
  EXPECT_EQ(container_of("1:name=systemd:/\n0::/docker/" ID_A "\n"), ID_A);
  EXPECT_EQ(container_of("0::/user.slice/session-1.scope\n"), "");
  EXPECT_EQ(container_of("garbage"), "");
}

}  // namespace
}  // namespace closewatch
