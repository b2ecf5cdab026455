// SPDX-License-Identifier: Apache-2.0
#include "closewatch/held/held_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_tree.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

#include "closewatch/scan/socket_listing.h"

/// Sockets whose connections are over while somebody holds their descriptors, with each engine:
/// what counts them does not read the tables.

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::Connection;
using testing::NetworkNamespace;
using testing::SocketHolder;
using testing::wait_until;
using testing::Wire;

using Sockets = std::vector<UniqueFd>;

/// Ends the connection at once, with a RST instead of a FIN.
void abort_connection(UniqueFd socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
}

bool has_ended(const UniqueFd& socket) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
  return info.tcpi_state == static_cast<int>(TcpState::kClose);
}

/// Connections that were in CLOSE_WAIT here when the peer's RST came: this end of each. Many of
/// them wait for each other's segments together.
Sockets held(std::size_t count, Wire wire = Wire::kIpv4) {
  constexpr std::size_t kTogether = 64;
  Sockets sockets;
  const auto listener = testing::listen_on(wire, kTogether);
  while (sockets.size() < count) {
    std::vector<Connection> connections;
    while (connections.size() < std::min(kTogether, count - sockets.size())) {
      connections.push_back(testing::connected(wire, listener));
      ::shutdown(connections.back().server.get(), SHUT_WR);
    }
    for (auto& connection : connections) {
      testing::read_to_end(connection.client);
      abort_connection(std::move(connection.server));
    }
    for (auto& connection : connections) {
      wait_until("the RST has come", [&] { return has_ended(connection.client); });
      sockets.push_back(std::move(connection.client));
    }
  }
  return sockets;
}

/// One that nobody has ever answered. `others` gets what that takes.
UniqueFd timed_out(Sockets& others) {
  auto full = testing::listen_on(Wire::kIpv4, 0);  // drops whoever comes, once one waits
  others.push_back(testing::connect_to(Wire::kIpv4, full.port));
  auto socket = testing::connect_to(Wire::kIpv4, full.port, false);
  constexpr int kMilliseconds = 100;
  EXPECT_EQ(::setsockopt(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kMilliseconds,
                         sizeof(kMilliseconds)),
            0);
  wait_until("nobody has answered", [&] { return has_ended(socket); });
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  EXPECT_EQ(error, ETIMEDOUT);
  others.push_back(std::move(full.fd));
  return socket;
}

/// What looks alike, or almost, and is no connection that is over.
Sockets others() {
  Sockets sockets;
  const auto plain = [&] {
    sockets.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return sockets.back().get();
  };
  plain();  // never connected
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  nobody.sin_port = htons(1);
  for (const bool waits : {true, false}) {  // refused
    const int socket = plain();
    ::fcntl(socket, F_SETFL, waits ? 0 : O_NONBLOCK);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as connect(2) wants it
    EXPECT_NE(::connect(socket, reinterpret_cast<sockaddr*>(&nobody), sizeof(nobody)), 0);
    wait_until("it is refused", [&] { return has_ended(sockets.back()); });
  }
  sockets.push_back(timed_out(sockets));
  auto listener = testing::listen_on(Wire::kIpv4, 4);
  auto connection = testing::connected(Wire::kIpv4, listener);
  ::shutdown(connection.client.get(), SHUT_RDWR);  // and the other end has not followed
  sockets.push_back(std::move(connection.client));
  sockets.push_back(std::move(connection.server));
  auto unread = testing::connected(Wire::kIpv4, listener);
  testing::send_bytes(unread.server, 100);
  unread.client = UniqueFd();  // closed with unread data, and so is the other end after the RST
  unread.server = UniqueFd();
  ::shutdown(listener.fd.get(), SHUT_RDWR);  // listens no more
  sockets.push_back(std::move(listener.fd));
  return sockets;
}

class HeldSocketsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<std::string> details;
    const auto source = make_held_socket_source(details);
    if (!source && source.error().kind == ErrorKind::kUnsupported) {
      GTEST_SKIP() << source.error().what;
    }
    ASSERT_TRUE(source) << source.error().what;
  }

  static Config config(PodDiscovery discovery = PodDiscovery::kStandalone) {
    auto config = AgentScanner::config_for(discovery);
    config.diagnosis.held_sockets = true;
    return config;
  }

  void run(const std::function<Sockets()>& work) {
    processes_.push_back(std::make_unique<SocketHolder>(space_, work));
    processes_.back()->wait_until_ready();
  }
  [[nodiscard]] const HeldDiagnosis& last() const {
    const auto& pod = scanner_.last_visible(space_.name());
    if (pod.held == nullptr) throw std::runtime_error("nobody knows");
    return *pod.held;
  }
  const HeldDiagnosis& found() {
    scanner_.scan();
    return last();
  }

  NetworkNamespace space_{"held"};
  std::vector<std::unique_ptr<SocketHolder>> processes_;
  testing::FakeClock clock_;
  AgentScanner scanner_{config(), &clock_};
};

TEST_F(HeldSocketsTest, AreCountedOnceTheTableHasThemNoMore) {
  for (const auto wire : testing::kWires) {
    run([wire] { return held(5, wire); });
  }
  EXPECT_EQ(found().total(), 15U);
  EXPECT_EQ(scanner_.last().features.held_sockets, true);
  EXPECT_EQ(testing::ss_counts(space_.name()).states.of(TcpState::kCloseWait), 0U);
  EXPECT_EQ(last().containers, (std::vector<ContainerHeld>{{"unknown", 15}}));
  EXPECT_EQ(last().entered, 0U);
}

/// How many descriptors one process may have here: as many as are wanted, if root may raise that.
rlim_t allow_descriptors(rlim_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("getrlimit");
  if (limit.rlim_max >= wanted) return wanted;
  const rlimit raised{.rlim_cur = limit.rlim_cur, .rlim_max = wanted};
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? wanted : limit.rlim_max;
}

/// 50,000, or as many as this machine lets one process have.
TEST_F(HeldSocketsTest, AreCountedHoweverManyOneProcessHas) {
  constexpr rlim_t kOthers = 100;  // that it has open beside them
  const auto most = allow_descriptors(50'000 + kOthers);
  const auto half = (most - kOthers) / 2;
  run([half, most] {
    const rlimit limit{.rlim_cur = most, .rlim_max = most};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit");
    auto sockets = held(half);  // each half has a listener of its own, and so ports enough
    for (auto& socket : held(half)) sockets.push_back(std::move(socket));
    return sockets;
  });
  EXPECT_EQ(found().total(), 2 * half);
  EXPECT_EQ(last().containers, (std::vector<ContainerHeld>{{"unknown", 2 * half}}));
}

TEST_F(HeldSocketsTest, NothingElseIsTakenForOne) {
  run(others);
  EXPECT_EQ(found().total(), 0U);
  EXPECT_EQ(last().containers, (std::vector<ContainerHeld>{{"unknown", 0}}));
}

TEST_F(HeldSocketsTest, WhoHasShutDownAndNotClosedHoldsOne) {
  run([] {
    const auto listener = testing::listen_on(Wire::kIpv4, 4);
    auto connection = testing::connected(Wire::kIpv4, listener);
    ::shutdown(connection.client.get(), SHUT_RDWR);
    connection.server = UniqueFd();
    wait_until("both ends are done", [&] { return has_ended(connection.client); });
    Sockets sockets;
    sockets.push_back(std::move(connection.client));
    return sockets;
  });
  EXPECT_EQ(found().total(), 1U);
}

TEST_F(HeldSocketsTest, CountOnceHoweverManyProcessesShareThem) {
  run([] {
    auto sockets = held(4);
    for (int worker = 0; worker < 3; ++worker) {
      const auto parent = ::getpid();
      if (::fork() != 0) continue;
      while (::getppid() == parent) ::usleep(10'000);
      ::_exit(0);
    }
    for (int copies = 0; copies < 4; ++copies) sockets.emplace_back(::dup(sockets.front().get()));
    return sockets;
  });
  EXPECT_EQ(found().total(), 4U);
}

TEST_F(HeldSocketsTest, OfOtherUsersAreTold) {
  run([] {
    auto sockets = held(3);
    if (::setgid(1234) != 0 || ::setuid(1234) != 0) throw std::runtime_error("setuid");
    return sockets;
  });
  EXPECT_EQ(found().total(), 3U);
}

TEST_F(HeldSocketsTest, AreListedWithPeerProcessAndSinceWhen) {
  using namespace std::chrono_literals;
  run([] { return held(1); });
  scanner_.scan();
  clock_.steady += 61s;
  run([] { return held(1); });
  EXPECT_EQ(found().total(), 2U);
  EXPECT_EQ(last().entered, 1U);
  EXPECT_EQ(last().oldest, 61s);
  clock_.steady += 20s;  // not yet time to look again
  scanner_.scan();
  EXPECT_EQ(scanner_.last_visible(space_.name()).held_for(), 81s);
  const auto pods = find_namesakes(scanner_.last(), "netns", space_.name());
  const auto listing =
      list_sockets(pods, [](const auto&, const auto&) { return SocketOwnerList(); });
  EXPECT_EQ(listing.total, 2U);
  ASSERT_EQ(listing.sockets.size(), 2U);
  const auto& oldest = listing.sockets.front();
  EXPECT_TRUE(oldest.held);
  EXPECT_EQ(state_name_of(oldest), "close");
  EXPECT_EQ(oldest.socket.age, 81s);
  EXPECT_EQ(oldest.socket.owes, OwedCall::kClose);
  EXPECT_EQ(oldest.socket.direction, Direction::kOutbound);
  EXPECT_NE(oldest.socket.local.port, 0);
  EXPECT_NE(oldest.socket.remote.port, 0);
  EXPECT_EQ(text_of(oldest.socket.remote).substr(0, 10), "127.0.0.1:");
  ASSERT_TRUE(oldest.process);
  EXPECT_EQ(oldest.process->pid, processes_.front()->pid());
  EXPECT_EQ(listing.sockets.back().socket.age, 20s);
  ASSERT_EQ(last().peers.size(), 2U);
}

/// Connections that the peer has ended, in CLOSE_WAIT at the client's end.
std::vector<Connection> ended_by_peer(const testing::Listener& listener, std::size_t count) {
  std::vector<Connection> connections;
  for (std::size_t i = 0; i < count; ++i) {
    auto& connection = connections.emplace_back(testing::connected(Wire::kIpv4, listener));
    testing::half_close(connection.server);
    testing::read_to_end(connection.client);
  }
  return connections;
}

TEST_F(HeldSocketsTest, WhatHasLeftCloseWaitWasClosedOrIsHeld) {
  using namespace std::chrono_literals;
  std::vector<Connection> connections;
  UniqueFd impatient;
  testing::Listener listener;
  space_.run([&] {
    listener = testing::listen_on(Wire::kIpv4, 64);
    connections = ended_by_peer(listener, 6);
    impatient = testing::connect_to(Wire::kIpv4, listener.port);
    testing::half_close(impatient);
  });
  EXPECT_EQ(found().total(), 0U);
  for (std::size_t closed = 0; closed < 2; ++closed) connections[closed] = {};
  for (std::size_t reset = 2; reset < 5; ++reset) {
    abort_connection(std::move(connections[reset].server));
    wait_until("the RST has come", [&] { return has_ended(connections[reset].client); });
  }
  abort_connection(std::move(impatient));  // of which the application knows nothing yet
  found();
  found();
  const auto& pod = scanner_.last_visible(space_.name());
  EXPECT_EQ(pod.sums.states.of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(pod.diagnosis.left, 6U);
  EXPECT_EQ(last().left_closed, 0U);  // nobody has looked yet
  EXPECT_EQ(last().left_held, 0U);
  clock_.steady += 61s;
  EXPECT_EQ(found().total(), 3U);
  EXPECT_EQ(last().left_closed, 2U);
  EXPECT_EQ(last().left_held, 3U);
  connections.clear();
  clock_.steady += 61s;
  found();
  found();
  clock_.steady += 61s;
  EXPECT_EQ(found().total(), 0U);
  EXPECT_EQ(last().left_closed, 3U);
  EXPECT_EQ(last().left_held, 3U);
}

TEST_F(HeldSocketsTest, WhoseLastAckHasNotComeIsNeitherClosedNorHeld) {
  using namespace std::chrono_literals;
  std::vector<Connection> connections;
  space_.run([&] { connections = ended_by_peer(testing::listen_on(Wire::kIpv4, 4), 1); });
  connections.front().server = UniqueFd();
  found();
  space_.cut_wire(true);
  ::shutdown(connections.front().client.get(), SHUT_WR);
  found();
  found();
  clock_.steady += 61s;
  EXPECT_EQ(found().total(), 0U);
  EXPECT_EQ(scanner_.last_visible(space_.name()).diagnosis.left, 1U);
  EXPECT_EQ(last().left_closed + last().left_held, 0U);
  space_.cut_wire(false);
  wait_until("the FIN has arrived", [&] { return has_ended(connections.front().client); });
  clock_.steady += 61s;
  EXPECT_EQ(found().total(), 1U);
  EXPECT_EQ(last().left_held, 1U);
  EXPECT_EQ(last().left_closed, 0U);
}

TEST_F(HeldSocketsTest, OfAListenerThatHasEndedAreInbound) {
  run([] {
    Sockets sockets;
    const auto listener = testing::listen_on(Wire::kIpv4, 4);
    auto connection = testing::connected(Wire::kIpv4, listener);
    testing::half_close(connection.client);
    testing::read_to_end(connection.server);
    abort_connection(std::move(connection.client));
    wait_until("the RST has come", [&] { return has_ended(connection.server); });
    sockets.push_back(std::move(connection.server));
    return sockets;
  });
  EXPECT_EQ(found().total(), 1U);
  EXPECT_EQ(last().sockets.front().socket.direction, Direction::kInbound);
}

TEST_F(HeldSocketsTest, DialledFromAPortThatListensAreOutbound) {
  run([] {
    Sockets sockets;
    auto peer = testing::listen_on(Wire::kIpv4, 4);
    sockets.push_back(testing::listen_beside_others(Wire::kIpv4, 4001).fd);
    UniqueFd dialling(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    constexpr int kOn = 1;
    ::setsockopt(dialling.get(), SOL_SOCKET, SO_REUSEPORT, &kOn, sizeof(kOn));
    const auto loopback = [](std::uint16_t port) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(port);
      return address;
    };
    const auto own = loopback(4001);
    const auto called = loopback(peer.port);
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): as both want them
    EXPECT_EQ(::bind(dialling.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0);
    EXPECT_EQ(::connect(dialling.get(), reinterpret_cast<const sockaddr*>(&called), sizeof(called)),
              0);
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    abort_connection(testing::accept_from(peer));
    wait_until("the RST has come", [&] { return has_ended(dialling); });
    sockets.push_back(std::move(dialling));
    return sockets;
  });
  EXPECT_EQ(found().total(), 1U);
  EXPECT_EQ(last().sockets.front().socket.direction, Direction::kOutbound);
}

TEST_F(HeldSocketsTest, AreGoneWithTheirDescriptors) {
  using namespace std::chrono_literals;
  run([] { return held(3); });
  EXPECT_EQ(found().total(), 3U);
  processes_.clear();
  clock_.steady += 61s;
  EXPECT_EQ(found().total(), 0U);
}

TEST_F(HeldSocketsTest, ComingAndGoingInventsNone) {
  using namespace std::chrono_literals;
  std::atomic<bool> go_on = true;
  std::thread churn([&] {
    space_.run([&] {
      const auto listener = testing::listen_on(Wire::kIpv4, 64);
      while (go_on) {
        // Neither end is over while it is open.
        auto connection = testing::connected(Wire::kIpv4, listener);
        connection.client = UniqueFd();
        connection.server = UniqueFd();
      }
    });
  });
  for (int scan = 0; scan < 30; ++scan) {
    EXPECT_EQ(found().total(), 0U);
    clock_.steady += 61s;
  }
  go_on = false;
  churn.join();
}

TEST_F(HeldSocketsTest, AreNotLookedForWhenTheyAreOff) {
  AgentScanner scanner;
  scanner.scan();
  EXPECT_EQ(scanner.last_visible(space_.name()).held, nullptr);
  EXPECT_EQ(scanner.last().features.held_sockets, false);
}

/// With real cgroups, by which containers and pods on the host's network are told.
class HeldByContainersTest : public HeldSocketsTest {
 protected:
  void SetUp() override {
    HeldSocketsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (testing::engine_is_text()) GTEST_SKIP() << "the text names no container";
    auto config = HeldSocketsTest::config(PodDiscovery::kKubernetes);
    config.paths.pod_logs = logs_.path("pods");
    config.paths.container_logs = logs_.path("containers");
    kubernetes_ = std::make_unique<AgentScanner>(config);
  }

  static std::function<Sockets()> inside(const std::string& cgroup, std::size_t count) {
    return [cgroup, count] {
      testing::enter_cgroup(cgroup);
      auto sockets = held(count);
      sockets.push_back(testing::listen_on(Wire::kIpv4, 1).fd);  // one that a table has
      return sockets;
    };
  }
  std::vector<ContainerHeld> containers() {
    kubernetes_->scan();
    return kubernetes_->last_visible("web").held->containers;
  }

  testing::FakeTree logs_{{{"pods/", ""}, {"containers/", ""}}};
  testing::CgroupPod pod_{logs_, "web"};
  std::string app_ = pod_.add_container("app");
  std::string sidecar_ = pod_.add_container("sidecar");
  std::unique_ptr<AgentScanner> kubernetes_;
  std::vector<std::unique_ptr<SocketHolder>> members_;  ///< which leave before the pod goes
};

TEST_F(HeldByContainersTest, CountForTheContainerThatMadeThem) {
  members_.push_back(std::make_unique<SocketHolder>(space_, inside(app_, 3)));
  members_.push_back(std::make_unique<SocketHolder>(space_, inside(sidecar_, 0)));
  for (const auto& member : members_) member->wait_until_ready();
  EXPECT_EQ(containers(), (std::vector<ContainerHeld>{{"app", 3}, {"sidecar", 0}}));
}

TEST_F(HeldByContainersTest, OfAnotherPodThatStandsInTheNamespaceHaveAnOwner) {
  testing::CgroupPod ztunnel(logs_, "ztunnel");
  const auto proxy = ztunnel.add_container("istio-proxy");
  const NetworkNamespace home("ztunnel");
  members_.push_back(std::make_unique<SocketHolder>(space_, inside(app_, 3)));
  members_.push_back(std::make_unique<SocketHolder>(home, [&] {
    Sockets sockets;
    testing::enter_cgroup(proxy);
    space_.run([&] { sockets = held(2); });
    return sockets;
  }));
  for (const auto& member : members_) member->wait_until_ready();
  EXPECT_EQ(containers(),
            (std::vector<ContainerHeld>{{"app", 3}, {"other_pod", 2}, {"sidecar", 0}}));
  const PodContainer owner{"shop", "ztunnel", "istio-proxy"};
  EXPECT_EQ(kubernetes_->last_visible("web").held->owners, (std::vector<OwnerSums>{{owner, 2, 0}}));
  EXPECT_EQ(kubernetes_->last_visible("ztunnel").held_sockets(), 0U);
  const auto listing = list_sockets(find_namesakes(kubernetes_->last(), "shop", "web"),
                                    [](const auto&, const auto&) { return SocketOwnerList(); });
  EXPECT_EQ(std::count_if(listing.sockets.begin(), listing.sockets.end(),
                          [&](const ListedSocket& one) { return one.owner == owner; }),
            2);
  members_.clear();
}

TEST_F(HeldByContainersTest, OnTheHostsNetworkCountForTheirPodAlone) {
  const SocketHolder beside([] { return held(2); });  // a process of the node's
  beside.wait_until_ready();
  members_.push_back(std::make_unique<SocketHolder>(inside(app_, 3)));
  members_.back()->wait_until_ready();
  EXPECT_EQ(containers(), (std::vector<ContainerHeld>{{"app", 3}, {"sidecar", 0}}));
}

/// Descriptors, as `ls /proc/PID/fd | wc -l` and prlimit(1) have them.
TEST(Descriptors, AreThoseOfTheProcessNearestToItsLimit) {
  const NetworkNamespace space("descriptors");
  const auto holder = [](rlim_t limit, std::size_t count) {
    return [limit, count] {
      const rlimit own{.rlim_cur = limit, .rlim_max = 4096};
      if (::setrlimit(RLIMIT_NOFILE, &own) != 0) throw std::runtime_error("setrlimit");
      Sockets descriptors;
      for (std::size_t i = 0; i < count; ++i) {
        descriptors.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      }
      if (::setgid(1234) != 0 || ::setuid(1234) != 0) throw std::runtime_error("setuid");
      return descriptors;
    };
  };
  const SocketHolder nearest(space, holder(512, 300));
  const SocketHolder larger(space, holder(4096, 600));
  nearest.wait_until_ready();
  larger.wait_until_ready();
  AgentScanner scanner;
  scanner.scan();
  const auto& found = scanner.last_visible(space.name()).descriptors;
  ASSERT_EQ(found.size(), 1U);
  const auto listed = std::distance(
      std::filesystem::directory_iterator("/proc/" + std::to_string(nearest.pid()) + "/fd"), {});
  EXPECT_EQ(found.front().container, "unknown");
  EXPECT_EQ(found.front().open, static_cast<std::uint64_t>(listed));
  EXPECT_EQ(found.front().limit, 512U);
  EXPECT_EQ(found.front().pid, nearest.pid());
}

}  // namespace
}  // namespace closewatch
