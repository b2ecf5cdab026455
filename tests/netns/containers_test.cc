// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/fake_tree.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

/// Which container a socket is of, with real cgroups and real processes in them.

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::CgroupPod;
using testing::Connection;
using testing::enter_cgroup;
using testing::FakeTree;
using testing::NetworkNamespace;
using testing::SocketHolder;
using testing::wait_until;
using testing::Wire;

using Sockets = std::vector<UniqueFd>;

/// So many sockets in CLOSE_WAIT that the caller's side has opened, and their other ends.
Sockets outbound_leaks(std::size_t count) {
  Sockets sockets;
  auto listener = testing::listen_on(Wire::kIpv4, 64);
  for (std::size_t i = 0; i < count; ++i) {
    auto connection = testing::connected(Wire::kIpv4, listener);
    testing::half_close(connection.server);
    testing::read_to_end(connection.client);
    sockets.push_back(std::move(connection.client));
    sockets.push_back(std::move(connection.server));
  }
  sockets.push_back(std::move(listener.fd));
  return sockets;
}

/// Likewise, beside so many connections that are well, both ends.
Sockets outbound_leaks_beside(std::size_t connections, std::size_t count) {
  auto sockets = outbound_leaks(count);
  const auto listener = testing::listen_on(Wire::kIpv4, 64);
  for (std::size_t i = 0; i < connections; ++i) {
    auto connection = testing::connected(Wire::kIpv4, listener);
    sockets.push_back(std::move(connection.client));
    sockets.push_back(std::move(connection.server));
  }
  return sockets;
}

Sockets healthy(std::size_t count) {
  return testing::sockets_in(TcpState::kEstablished, Wire::kIpv4, count);
}

class ContainersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::engine_is_text()) GTEST_SKIP() << "the text names no container";
  }

  /// What a process of a pod's container does, until the test is over.
  void run_in(const std::string& cgroup, const std::function<Sockets()>& work) {
    processes_.push_back(std::make_unique<SocketHolder>(space_, inside(cgroup, work)));
    processes_.back()->wait_until_ready();
  }
  /// Likewise in the network namespace of the host.
  void run_on_host(const std::string& cgroup, const std::function<Sockets()>& work) {
    processes_.push_back(std::make_unique<SocketHolder>(inside(cgroup, work)));
    processes_.back()->wait_until_ready();
  }

  [[nodiscard]] Config config() const {
    auto config = AgentScanner::config_for(PodDiscovery::kKubernetes);
    config.paths.pod_logs = logs_.path("pods");
    config.paths.container_logs = logs_.path("containers");
    return config;
  }

  static std::uint64_t leaks_of(const Diagnosis& diagnosis, const std::string& container) {
    for (const auto& known : diagnosis.containers) {
      if (known.container != container) continue;
      std::uint64_t sum = 0;
      for (const auto direction : kDirections) {
        for (const auto owes : kOwedCalls) sum += known.of(direction, owes);
      }
      return sum;
    }
    throw std::runtime_error("no container " + container);
  }

  FakeTree logs_{{{"pods/", ""}, {"containers/", ""}}};
  NetworkNamespace space_{"containers"};
  CgroupPod pod_{logs_, "web"};
  std::string app_ = pod_.add_container("app");
  std::string sidecar_ = pod_.add_container("sidecar");
  std::vector<std::unique_ptr<SocketHolder>> processes_;

 private:
  static std::function<Sockets()> inside(const std::string& cgroup,
                                         const std::function<Sockets()>& work) {
    return [cgroup, work] {
      enter_cgroup(cgroup);
      return work();
    };
  }
};

TEST_F(ContainersTest, OneOfTwoLeaks) {
  run_in(app_, [] { return outbound_leaks(3); });
  run_in(sidecar_, [] { return healthy(2); });
  wait_until("every FIN has been acknowledged",
             [&] { return testing::ss_counts(space_.name()).states.of(TcpState::kFinWait2) == 3; });
  AgentScanner scanner(config());
  const auto& found = scanner.diagnosis_of("web");
  ASSERT_EQ(found.containers.size(), 2U);
  EXPECT_EQ(leaks_of(found, "app"), 3U);
  EXPECT_EQ(leaks_of(found, "sidecar"), 0U);
  EXPECT_EQ(scanner.last_sums_of("web"), testing::ss_counts(space_.name()));
  EXPECT_EQ(scanner.last().features.cgroup_id, true);
  EXPECT_FALSE(scanner.last().features.socket_inode);
}

TEST_F(ContainersTest, BothLeak) {
  run_in(app_, [] { return outbound_leaks(3); });
  run_in(sidecar_, [] { return outbound_leaks(4); });
  AgentScanner scanner(config());
  const auto& found = scanner.diagnosis_of("web");
  EXPECT_EQ(leaks_of(found, "app"), 3U);
  EXPECT_EQ(leaks_of(found, "sidecar"), 4U);
}

TEST_F(ContainersTest, ADirectoryBelowAContainersIsOfItToo) {
  run_in(pod_.add_directory(app_ + "/below"), [] { return outbound_leaks(2); });
  run_in(sidecar_, [] { return healthy(1); });
  AgentScanner scanner(config());
  EXPECT_EQ(leaks_of(scanner.diagnosis_of("web"), "app"), 2U);
}

// The kernel refuses to list the processes of a threaded directory; they are listed above it.
TEST_F(ContainersTest, AThreadedDirectoryBelowAContainersIsNoError) {
  const auto threads = pod_.add_directory(app_ + "/threads");
  std::ofstream(threads + "/cgroup.type") << "threaded" << std::flush;
  run_in(app_, [] { return outbound_leaks(2); });
  run_in(sidecar_, [] { return healthy(1); });
  AgentScanner scanner(config());
  EXPECT_EQ(leaks_of(scanner.diagnosis_of("web"), "app"), 2U);
}

TEST_F(ContainersTest, WhatIsAcceptedIsOfTheListenersContainerAndWhatIsNotAlso) {
  run_in(app_, [this] {
    Sockets sockets;
    auto listener = testing::listen_on(Wire::kIpv4, 64);
    enter_cgroup(sidecar_);
    Connection accepted = testing::connected(Wire::kIpv4, listener);
    testing::half_close(accepted.client);
    auto waiting = testing::connect_to(Wire::kIpv4, listener.port);
    testing::half_close(waiting);
    sockets.push_back(std::move(accepted.client));
    sockets.push_back(std::move(accepted.server));
    sockets.push_back(std::move(waiting));
    sockets.push_back(std::move(listener.fd));
    return sockets;
  });
  run_in(app_, [] { return healthy(1); });
  AgentScanner scanner(config());
  const auto& found = scanner.diagnosis_of("web");
  EXPECT_EQ(leaks_of(found, "app"), 2U);
  EXPECT_EQ(leaks_of(found, "sidecar"), 0U);
  EXPECT_EQ(found.of(OwedCall::kAccept), 1U);
}

TEST_F(ContainersTest, WhoseCgroupHasGoneIsUnknown) {
  const auto gone = pod_.add_container("gone");
  run_in(gone, [this] {
    auto sockets = outbound_leaks(2);
    enter_cgroup(sidecar_);
    return sockets;
  });
  run_in(app_, [] { return outbound_leaks(1); });
  ASSERT_EQ(::rmdir(gone.c_str()), 0);
  AgentScanner scanner(config());
  const auto& found = scanner.diagnosis_of("web");
  EXPECT_EQ(leaks_of(found, "unknown"), 2U);
  EXPECT_EQ(leaks_of(found, "app"), 1U);
  EXPECT_EQ(leaks_of(found, "sidecar"), 0U);
}

// What Istio ambient's ztunnel does: its sockets are in the pod's namespace, it lives in its own.
TEST_F(ContainersTest, OfAnotherPodThatStandsInTheNamespaceAreNamedAsOwners) {
  CgroupPod ztunnel(logs_, "ztunnel");
  const auto proxy = ztunnel.add_container("istio-proxy");
  const NetworkNamespace home("ztunnel");
  run_in(app_, [] { return outbound_leaks(3); });
  processes_.push_back(std::make_unique<SocketHolder>(home, [&] {
    enter_cgroup(proxy);
    Sockets sockets;
    space_.run([&] { sockets = outbound_leaks(5); });
    return sockets;
  }));
  processes_.back()->wait_until_ready();
  AgentScanner scanner(config());
  scanner.scan();
  const auto& web = scanner.last_visible("web");
  EXPECT_EQ(web.sums, testing::ss_counts(space_.name()));
  EXPECT_EQ(leaks_of(web.diagnosis, "app"), 3U);
  EXPECT_EQ(leaks_of(web.diagnosis, "other_pod"), 5U);
  ASSERT_EQ(web.diagnosis.owners.size(), 1U);
  EXPECT_EQ(web.diagnosis.owners[0].owner.pod, "ztunnel");
  EXPECT_EQ(web.diagnosis.owners[0].owner.container, "istio-proxy");
  EXPECT_EQ(web.diagnosis.owners[0].sockets, 5U);
  EXPECT_EQ(scanner.last_sums_of("ztunnel").states.total(), 0U);
  processes_.clear();
}

TEST_F(ContainersTest, AreFoundByDescriptorsUnderCgroupV1Alone) {
  const std::string v1 = "/sys/fs/cgroup/memory";
  if (!std::filesystem::exists(v1)) GTEST_SKIP() << "this machine has cgroup v2 alone";
  CgroupPod pod(logs_, "old", v1);
  const auto app = pod.add_container("app");
  const auto sidecar = pod.add_container("sidecar");
  run_in(app, [] { return healthy(2); });
  run_in(sidecar, [] { return outbound_leaks(3); });
  AgentScanner scanner(config());
  const auto& found = scanner.diagnosis_of("old");
  EXPECT_EQ(leaks_of(found, "app"), 0U);
  EXPECT_EQ(leaks_of(found, "sidecar"), 3U);
  EXPECT_TRUE(scanner.last().features.socket_inode);
  processes_.clear();
}

TEST_F(ContainersTest, HostNetworkPodsGetTheirOwnAndTheNodeKeepsTheRest) {
  CgroupPod proxy(logs_, "proxy");
  CgroupPod agent(logs_, "agent");
  run_on_host(proxy.add_container("proxy"), [] { return outbound_leaks_beside(3, 5); });
  run_on_host(agent.add_container("agent"), [] { return outbound_leaks_beside(1, 2); });
  const SocketHolder nobodys([] { return outbound_leaks(4); });
  nobodys.wait_until_ready();
  AgentScanner scanner(config());
  // Others may use the host's network, so all is compared with a moment in which they did not.
  wait_until("ss and the scan agree on the host", [&] {
    const auto before = testing::ss_counts("").states;
    scanner.scan();
    if (!scanner.last().node || before != testing::ss_counts("").states) return false;
    auto sum = *scanner.last().node;
    bool settled = true;
    for (const auto* const name : {"proxy", "agent"}) {
      const auto& states = scanner.last_sums_of(name).states;
      settled &= states.of(TcpState::kFinWait1) == 0;
      sum.add(states);
    }
    return settled && sum == before;
  });
  struct Wanted {
    const char* name;
    std::uint64_t established;
    std::uint64_t leaks;
  };
  for (const auto& [name, established, leaks] : {Wanted{"proxy", 6, 5}, Wanted{"agent", 2, 2}}) {
    const auto& pod = scanner.last_visible(name);
    EXPECT_TRUE(pod.host_network);
    EXPECT_EQ(pod.sums.states.of(TcpState::kCloseWait), leaks);
    EXPECT_EQ(pod.sums.states.of(TcpState::kListen), 1U);
    EXPECT_EQ(pod.sums.states.of(TcpState::kEstablished), established);
    EXPECT_EQ(pod.sums.states.total(),
              established + leaks + 1);  // the other ends' state may lack a cgroup
    EXPECT_EQ(leaks_of(pod.diagnosis, name), leaks);
    EXPECT_EQ(pod.diagnosis.of(Direction::kOutbound), leaks);
  }
  EXPECT_GE(scanner.last().node->of(TcpState::kCloseWait), 4U);
  processes_.clear();
}

}  // namespace
}  // namespace closewatch
