// SPDX-License-Identifier: Apache-2.0
#include "pods/runtime_program.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(IsSandboxProgram, KnowsGvisorAndKata) {
  for (const auto* const path :
       {"/usr/local/bin/runsc", "/usr/local/bin/runsc (deleted)",
        "/opt/kata/bin/containerd-shim-kata-v2", "/opt/kata/bin/qemu-system-x86_64",
        "/usr/bin/cloud-hypervisor", "/firecracker", "/usr/libexec/virtiofsd"}) {
    EXPECT_TRUE(is_sandbox_program(path)) << path;
  }
  for (const auto* const path : {"", "/usr/bin/java", "/pause", "/usr/bin/containerd-shim-runc-v2",
                                 "/usr/bin/qemu-img", "/runsc/app"}) {
    EXPECT_FALSE(is_sandbox_program(path)) << path;
  }
}

TEST(MayBeRuntimeProgram, KnowsRuntimesAndTheirCopies) {
  for (const auto* const path :
       {"/usr/sbin/runc", "/usr/bin/crun", "/runc", "/memfd:runc_cloned:/proc/self/exe (deleted)",
        "/run/runc/#1234 (deleted)"}) {
    EXPECT_TRUE(may_be_runtime_program(path)) << path;
  }
  for (const auto* const path : {"", "/usr/bin/python3", "/usr/bin/runc-proxy", "/pause"}) {
    EXPECT_FALSE(may_be_runtime_program(path)) << path;
  }
}

}  // namespace
}  // namespace closewatch
