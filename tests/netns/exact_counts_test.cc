// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>

#include <array>

#include "tests/support/agent_scanner.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::NetworkNamespace;
using testing::ss_counts;
using testing::wait_until;
using testing::Wire;

/// Waits until `name` has `count` sockets in `state` and every number equals what ss tells, before
/// and after us: until then the kernel still moves sockets from state to state.
void expect_equal_to_ss(AgentScanner& scanner, const std::string& name, TcpState state,
                        std::uint64_t count) {
  wait_until("every number of " + name + " equals ss", [&] {
    const auto before = ss_counts(name);
    return scanner.sums_of(name) == before && ss_counts(name) == before &&
           before.states.of(state) == count;
  });
  EXPECT_EQ(scanner.last_sums_of(name).states.of(state), count);
}

struct StateCase {
  TcpState state;
  Wire wire;
};

std::string name_of_case(const StateCase& one) {
  return std::string(name_of(one.state)) + "_" + testing::name_of(one.wire);
}

void PrintTo(const StateCase& one, std::ostream* out) { *out << name_of_case(one); }

std::vector<StateCase> state_cases() {
  std::vector<StateCase> cases;
  for (const auto state : kTcpStates) {
    if (state == TcpState::kClose) continue;
    for (const auto wire : {Wire::kIpv4, Wire::kIpv6, Wire::kMapped})
      cases.push_back({state, wire});
  }
  return cases;
}

class EveryState : public ::testing::TestWithParam<StateCase> {};

TEST_P(EveryState, IsCountedExactly) {
  constexpr std::size_t kCount = 7;
  const NetworkNamespace space("state");
  std::vector<UniqueFd> sockets;
  space.run([&] { sockets = testing::sockets_in(GetParam().state, GetParam().wire, kCount); });
  AgentScanner scanner;
  // What builds ESTABLISHED pairs has both ends in that state.
  const bool both_ends = GetParam().state == TcpState::kEstablished;
  expect_equal_to_ss(scanner, space.name(), GetParam().state, both_ends ? 2 * kCount : kCount);
}

INSTANTIATE_TEST_SUITE_P(OverEachWire, EveryState, ::testing::ValuesIn(state_cases()),
                         [](const auto& tested) { return name_of_case(tested.param); });

TEST(ExactCounts, AllStatesTogether) {
  const NetworkNamespace space("all");
  std::vector<std::vector<UniqueFd>> sockets;
  std::size_t count = 1;
  for (const auto& [state, wire] : state_cases()) {
    space.run([&, state = state, wire = wire] {
      sockets.push_back(testing::sockets_in(state, wire, count));
    });
    count = count % 5 + 1;
  }
  AgentScanner scanner;
  wait_until("ss and we agree", [&] {
    const auto before = ss_counts(space.name());
    return scanner.sums_of(space.name()) == before && ss_counts(space.name()) == before;
  });
  for (const auto state : kTcpStates) {
    if (state == TcpState::kClose) continue;
    EXPECT_GE(scanner.last_sums_of(space.name()).states.of(state), 3U) << name_of(state);
  }
}

TEST(ExactCounts, AnEmptyNamespaceHasTrueZeros) {
  const NetworkNamespace space("empty");
  AgentScanner scanner;
  EXPECT_EQ(scanner.sums_of(space.name()), SocketSums{});
}

TEST(ExactCounts, ANameForTheHostsNamespaceIsNoPod) {
  const NetworkNamespace space("host");
  ASSERT_EQ(::mount("/proc/self/ns/net", space.path().c_str(), "none", MS_BIND, nullptr), 0);
  AgentScanner scanner;
  scanner.scan();
  EXPECT_EQ(scanner.last_pod(space.name()), nullptr);
  ::umount2(space.path().c_str(), MNT_DETACH);
}

TEST(ExactCounts, ANamespaceWithoutIpv6) {
  const NetworkNamespace space("noipv6");
  space.sysctl("net.ipv6.conf.all.disable_ipv6", "1");
  std::vector<UniqueFd> sockets;
  space.run([&] { sockets = testing::sockets_in(TcpState::kCloseWait, Wire::kIpv4, 3); });
  AgentScanner scanner;
  expect_equal_to_ss(scanner, space.name(), TcpState::kCloseWait, 3);
}

TEST(ExactCounts, TwoHundredAndFiftyNamespacesAtOnce) {
  constexpr std::size_t kNamespaces = 250;
  std::vector<NetworkNamespace> spaces;
  std::vector<std::vector<UniqueFd>> sockets;
  for (std::size_t i = 0; i < kNamespaces; ++i) {
    const auto& space = spaces.emplace_back("n" + std::to_string(i));
    space.run(
        [&] { sockets.push_back(testing::sockets_in(TcpState::kCloseWait, Wire::kIpv4, i % 11)); });
  }
  AgentScanner scanner;
  wait_until("all have their sockets", [&] {
    scanner.scan();
    for (std::size_t i = 0; i < kNamespaces; ++i) {
      if (scanner.last_sums_of(spaces[i].name()).states.of(TcpState::kCloseWait) != i % 11) {
        return false;
      }
    }
    return true;
  });
  for (const auto& space : spaces) {
    EXPECT_EQ(scanner.last_sums_of(space.name()), ss_counts(space.name())) << space.name();
  }
}

TEST(ExactCounts, FiftyThousandInOneNamespace) {
  constexpr std::size_t kHolders = 3;
  constexpr std::size_t kEach = 17'000;
  const NetworkNamespace space("many");
  space.sysctl("net.ipv4.ip_local_port_range", "1024 65535");
  std::vector<testing::SocketHolder> holders;
  for (std::uint8_t i = 0; i < kHolders; ++i) {
    holders.emplace_back(space, [i] {
      return testing::many_in_close_wait(kEach, static_cast<std::uint8_t>(10 + i));
    });
  }
  for (const auto& holder : holders) holder.wait_until_ready();
  AgentScanner scanner;
  wait_until("all 51,000 are in CLOSE_WAIT", [&] {
    return scanner.sums_of(space.name()).states.of(TcpState::kCloseWait) == kHolders * kEach;
  });
  const auto theirs = ss_counts(space.name());
  EXPECT_EQ(theirs.states.of(TcpState::kCloseWait), kHolders * kEach);
  EXPECT_EQ(scanner.last_sums_of(space.name()).listeners, theirs.listeners);
}

TEST(ExactCounts, AFullAcceptQueue) {
  constexpr int kBacklog = 3;
  const NetworkNamespace space("full");
  std::vector<UniqueFd> sockets;
  testing::Listener listener;
  space.run([&] {
    listener = testing::listen_on(Wire::kIpv4, kBacklog);
    // The kernel lets one more in than it is told (sk_acceptq_is_full).
    for (int i = 0; i <= kBacklog; ++i) {
      sockets.push_back(testing::connect_to(Wire::kIpv4, listener.port));
    }
  });
  AgentScanner scanner;
  wait_until("the queue is full", [&] {
    const auto& sums = scanner.sums_of(space.name());
    return sums.listeners.size() == 1 && sums.listeners[0].sockets == kBacklog + 1;
  });
  const auto& sums = scanner.last_sums_of(space.name());
  const auto limit =
      testing::engine_is_text() ? std::nullopt : std::optional<std::uint64_t>(kBacklog);
  EXPECT_EQ(sums.listeners.front(), (ListenBacklog{listener.port, kBacklog + 1, limit}));
  EXPECT_EQ(sums, ss_counts(space.name()));
}

}  // namespace
}  // namespace closewatch
