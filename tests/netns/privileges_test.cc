// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <thread>

#include "tests/support/agent_scanner.h"
#include "tests/support/capabilities.h"
#include "tests/support/network_namespace.h"
#include "tests/support/tcp_sockets.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::NetworkNamespace;
using testing::Wire;

/// Takes a capability from the calling thread for good.
void drop(unsigned capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  ASSERT_EQ(::syscall(SYS_capget, &header, data.data()), 0);
  data[capability / 32].effective &= ~(1U << capability % 32);
  ASSERT_EQ(::syscall(SYS_capset, &header, data.data()), 0);
}

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

/// What docs/security.md names for the engine.
std::uint64_t capabilities_of(const std::string& engine) {
  if (engine == "bpf") return bit(CAP_BPF) | bit(CAP_PERFMON) | bit(CAP_SYS_PTRACE);
  if (engine == "procfs") return 0;
  return bit(CAP_SYS_ADMIN) | bit(CAP_SYS_PTRACE);
}

TEST(Privileges, OfTheEngineAloneAreEnough) {
  const NetworkNamespace space("enough");
  std::vector<UniqueFd> sockets;
  space.run([&] { sockets = testing::sockets_in(TcpState::kCloseWait, Wire::kIpv4, 2); });
  std::thread([&] {
    testing::keep_capabilities(capabilities_of(testing::engine_under_test()));
    AgentScanner scanner;
    EXPECT_TRUE(scanner.scan().node);
    const auto& pods = scanner.last().pods;
    // Without CAP_SYS_PTRACE it goes by its process, not by its file.
    EXPECT_TRUE(std::any_of(pods.begin(), pods.end(), [](const PodSnapshot& pod) {
      return pod.visibility == Visibility::kVisible &&
             pod.sums.states.of(TcpState::kCloseWait) == 2;
    }));
  }).join();
}

TEST(Privileges, WithoutSysAdminAForeignNamespaceIsDeniedAndOwnOneIsSeen) {
  if (testing::engine_under_test() != "inet_diag")
    GTEST_SKIP() << "only inet_diag enters namespaces";
  const NetworkNamespace space("denied");
  std::vector<UniqueFd> sockets;
  space.run([&] { sockets = testing::sockets_in(TcpState::kCloseWait, Wire::kIpv4, 2); });
  std::thread([&] {
    drop(CAP_SYS_ADMIN);
    AgentScanner scanner;
    const auto& snapshot = scanner.scan();
    const auto* const pod = scanner.last_pod(space.name());
    ASSERT_NE(pod, nullptr);
    EXPECT_EQ(pod->visibility, Visibility::kDenied);
    EXPECT_THAT(pod->detail, ::testing::HasSubstr("CAP_SYS_ADMIN is missing"));
    EXPECT_EQ(pod->sums, SocketSums{});
    EXPECT_TRUE(snapshot.node);
  }).join();
}

}  // namespace
}  // namespace closewatch
