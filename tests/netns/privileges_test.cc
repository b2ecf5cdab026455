#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "tests/support/agent_scanner.h"
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

TEST(Privileges, WithoutSysAdminAForeignNamespaceIsDeniedAndOwnOneIsSeen) {
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
