// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/busy_reader.h"
#include "tests/support/capabilities.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_tree.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

/// What the kernel counts of TCP in pods' namespaces, with each engine: none of them reads it.

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using testing::AgentScanner;
using testing::NetworkNamespace;
using testing::SocketHolder;
using testing::wait_until;
using testing::Wire;

using Sockets = std::vector<UniqueFd>;

TcpEventSet all_events() {
  TcpEventSet set;
  for (const auto event : kTcpEvents) set.add(event);
  return set;
}

Config config_of_all(PodDiscovery discovery = PodDiscovery::kStandalone) {
  auto config = AgentScanner::config_for(discovery);
  config.pods.tcp_events = all_events();
  return config;
}

/// As the label tells them, and as nstat does: written down here once more, or a wrong counter
/// under a name would be compared with itself.
struct Named {
  std::string_view event;
  const char* counter;
};
constexpr auto kNamed = std::to_array<Named>({
    {"listen_overflows", "TcpExtListenOverflows"},
    {"listen_drops", "TcpExtListenDrops"},
    {"retransmission_timeouts", "TcpExtTCPTimeouts"},
    {"failed_attempts", "TcpAttemptFails"},
    {"established_resets", "TcpEstabResets"},
    {"resets_sent", "TcpOutRsts"},
    {"syn_retransmissions", "TcpExtTCPSynRetrans"},
    {"retransmitted_segments", "TcpRetransSegs"},
    {"aborts_on_close", "TcpExtTCPAbortOnClose"},
    {"aborts_on_data", "TcpExtTCPAbortOnData"},
    {"aborts_on_timeout", "TcpExtTCPAbortOnTimeout"},
    {"aborts_on_linger", "TcpExtTCPAbortOnLinger"},
    {"aborts_on_memory", "TcpExtTCPAbortOnMemory"},
    {"embryonic_resets", "TcpExtEmbryonicRsts"},
    {"syn_queue_drops", "TcpExtTCPReqQFullDrop"},
    {"syn_cookies_sent", "TcpExtSyncookiesSent"},
    {"keepalive_probes", "TcpExtTCPKeepAlive"},
    {"time_wait_overflows", "TcpExtTCPTimeWaitOverflow"},
    {"backlog_drops", "TcpExtTCPBacklogDrop"},
    {"receive_queue_drops", "TcpExtTCPRcvQDrop"},
    {"active_opens", "TcpActiveOpens"},
    {"passive_opens", "TcpPassiveOpens"},
    {"segments_received", "TcpInSegs"},
    {"segments_sent", "TcpOutSegs"},
});
static_assert(kNamed.size() == kTcpEventCount);

TcpEvent event_named(std::string_view name) {
  return *std::find_if(kTcpEvents.begin(), kTcpEvents.end(),
                       [&](TcpEvent event) { return describe(event).name == name; });
}

/// What iproute2's nstat says in a named network namespace.
TcpEventCounts nstat(const NetworkNamespace& space) {
  const auto command = "ip netns exec " + space.name() + " nstat -asz";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"),
                                                             ::pclose);
  if (pipe == nullptr) throw std::runtime_error(command);
  std::map<std::string, std::uint64_t> told;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
    std::istringstream fields(line.data());
    std::string name;
    std::uint64_t count = 0;
    if (fields >> name >> count) told[name] = count;
  }
  TcpEventCounts counts;
  for (const auto& [event, counter] : kNamed) counts.set(event_named(event), told.at(counter));
  return counts;
}

TcpEventCounts sum(TcpEventCounts one, const TcpEventCounts& other) {
  one.add(other);
  return one;
}

template <typename Value>
void set_option(const UniqueFd& socket, int level, int option, const Value& value) {
  ASSERT_EQ(::setsockopt(socket.get(), level, option, &value, sizeof(value)), 0);
}

int state_of(const UniqueFd& socket) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
  return info.tcpi_state;
}

/// A connection that nobody will accept, the fourth and later ones of this listener with a SYN that
/// is dropped.
void dial(const testing::Listener& listener, Sockets& sockets) {
  sockets.push_back(testing::connect_to(Wire::kIpv4, listener.port, false));
}

void refuse_one() {
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  nobody.sin_port = htons(1);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as connect(2) wants it
  ASSERT_NE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&nobody), sizeof(nobody)), 0);
}

/// Fills an accept queue and dials on; the kernel tries again after a second, until it gives up.
void overflow(Sockets& sockets) {
  auto listener = testing::listen_on(Wire::kIpv4, 1);
  for (int i = 0; i < 5; ++i) dial(listener, sockets);
  sockets.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  set_option(sockets.back(), IPPROTO_TCP, TCP_SYNCNT, 1);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(listener.port);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as connect(2) wants it
  (void)::connect(sockets.back().get(), reinterpret_cast<sockaddr*>(&to), sizeof(to));
  sockets.push_back(std::move(listener.fd));
}

/// Everything else that takes no more than a connection.
void abort_in_each_way(Sockets& sockets) {
  const auto listener = testing::listen_on(Wire::kIpv4, 16);
  {
    auto unread = testing::connected(Wire::kIpv4, listener);
    testing::send_bytes(unread.client, 100);
    wait_until("the data have come", [&] {
      std::byte byte{};
      return ::recv(unread.server.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    });
    unread.server = UniqueFd();
    wait_until("the RST has come", [&] { return state_of(unread.client) == TCP_CLOSE; });
  }
  {
    auto aborted = testing::connected(Wire::kIpv4, listener);
    set_option(aborted.server, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
    aborted.server = UniqueFd();
    wait_until("the RST has come", [&] { return state_of(aborted.client) == TCP_CLOSE; });
  }
  {
    auto impatient = testing::connected(Wire::kIpv4, listener);
    set_option(impatient.client, IPPROTO_TCP, TCP_LINGER2, -1);
    testing::half_close(impatient.client);
    wait_until("the FIN is acknowledged",
               [&] { return state_of(impatient.client) == TCP_FIN_WAIT2; });
    impatient.client = UniqueFd();
  }
  auto kept = testing::connected(Wire::kIpv4, listener);
  set_option(kept.client, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(kept.client, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  sockets.push_back(std::move(kept.client));
  sockets.push_back(std::move(kept.server));
  refuse_one();
}

/// Who waits for the first data leaves a connection a request until they come (TCP_DEFER_ACCEPT),
/// so that one fills a queue for none, and its client can end it by a RST.
void drop_and_reset_requests(const NetworkNamespace& space) {
  space.sysctl("net.ipv4.tcp_syncookies", "0");
  space.run([] {
    constexpr int kSecondsToWait = 30;
    // Of one there is room for one, in later kernels for two (inet_csk_reqsk_queue_is_full()).
    const auto listener = testing::listen_on(Wire::kIpv4, 1);
    set_option(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, kSecondsToWait);
    const auto request = testing::connect_to(Wire::kIpv4, listener.port);
    const auto second = testing::connect_to(Wire::kIpv4, listener.port, false);
    const auto third = testing::connect_to(Wire::kIpv4, listener.port, false);
    set_option(request, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
  });
}

/// A receive buffer that becomes smaller than what the peer was told it may send.
void overrun_receive_queue(Sockets& sockets) {
  constexpr std::size_t kSegment = 2000;
  const auto listener = testing::listen_on(Wire::kIpv4, 16);
  auto connection = testing::connected(Wire::kIpv4, listener);
  set_option(connection.client, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(connection.server, SOL_SOCKET, SO_RCVBUF, 1);
  for (int i = 0; i < 2; ++i) testing::send_bytes(connection.client, kSegment);
  sockets.push_back(std::move(connection.client));
  sockets.push_back(std::move(connection.server));
}

std::uint16_t port_of(const UniqueFd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as getsockname(2) wants it
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// More than waits for a socket whose owner is busy: its buffers and 64 KiB (tcp_add_backlog() in
/// net/ipv4/tcp_ipv4.c).
void overrun_backlog() {
  constexpr std::size_t kSegment = 60'000;
  const auto listener = testing::listen_on(Wire::kIpv4, 16);
  const auto connection = testing::connected(Wire::kIpv4, listener);
  testing::send_bytes(connection.client, 1);
  const testing::BusyReader busy(connection.server.get());
  testing::send_stray_segments(port_of(connection.client), listener.port, kSegment, 10);
}

/// Net.ipv4.tcp_max_orphans is one for the machine, as is tcp_mem (both stand in ipv4_table of
/// net/ipv4/sysctl_net_ipv4.c, which no namespace has but the first), and with none allowed each
/// connection of anybody is reset that is closed with something left to send.
class NoOrphans {
 public:
  NoOrphans() {
    std::ifstream(kPath) >> before_;
    std::ofstream(kPath) << 0;
  }
  NoOrphans(const NoOrphans&) = delete;
  NoOrphans& operator=(const NoOrphans&) = delete;
  NoOrphans(NoOrphans&&) = delete;
  NoOrphans& operator=(NoOrphans&&) = delete;
  ~NoOrphans() { std::ofstream(kPath) << before_; }

 private:
  static constexpr const char* kPath = "/proc/sys/net/ipv4/tcp_max_orphans";
  std::string before_;
};

/// The other end, which reads nothing, stays: with its RST there would be nothing left to send.
void close_with_something_to_send(Sockets& sockets) {
  const auto listener = testing::listen_on(Wire::kIpv4, 16);
  auto connection = testing::connected(Wire::kIpv4, listener);
  testing::fill(connection.client);
  sockets.push_back(std::move(connection.server));
}

class TcpEventsTest : public ::testing::Test {
 protected:
  /// Half a minute later: what has a pace of its own is due.
  const std::optional<TcpEventCounts>& read_again(AgentScanner& scanner, const std::string& pod) {
    clock_.steady += 30s;
    scanner.scan();
    return scanner.last_visible(pod).tcp_events;
  }
  /// Waits until the kernel counts nothing more between two looks, and all numbers are as `truth`
  /// says before and after.
  void expect_equal(AgentScanner& scanner, const std::string& pod,
                    const std::function<TcpEventCounts()>& truth) {
    wait_until("every event of " + pod + " equals nstat", [&] {
      const auto before = truth();
      const auto& found = read_again(scanner, pod);
      return found && *found == before && truth() == before;
    });
  }

  testing::FakeClock clock_;
};

TEST_F(TcpEventsTest, EachEqualsNstatOnceItWasProvoked) {
  const NetworkNamespace space("events");
  space.sysctl("net.ipv4.tcp_max_tw_buckets", "0");
  AgentScanner scanner(config_of_all(), &clock_);
  expect_equal(scanner, space.name(), [&] { return nstat(space); });
  Sockets sockets;
  space.run([&] {
    abort_in_each_way(sockets);
    overflow(sockets);
  });
  space.run([&] {
    overrun_receive_queue(sockets);
    overrun_backlog();
  });
  drop_and_reset_requests(space);
  // SYN cookies in place of the queue of requests, TIME_WAIT where there shall be none.
  space.sysctl("net.ipv4.tcp_syncookies", "2");
  space.run([] {
    const auto listener = testing::listen_on(Wire::kIpv4, 16);
    auto connection = testing::connected(Wire::kIpv4, listener);
    testing::half_close(connection.client);
    testing::half_close(connection.server);
  });
  for (const auto& [event, counter] : kNamed) {
    if (event == "aborts_on_memory") continue;  // below
    wait_until(std::string(event) + " are counted",
               [&, event = event] { return nstat(space).of(event_named(event)).value_or(0) > 0; });
  }
  sockets.clear();  // or the kernel would try for minutes
  expect_equal(scanner, space.name(), [&] { return nstat(space); });
  // Another agent says the same at once.
  AgentScanner restarted(config_of_all(), &clock_);
  restarted.scan();
  EXPECT_EQ(restarted.last_visible(space.name()).tcp_events, nstat(space));
}

TEST_F(TcpEventsTest, AbortsOnMemoryEqualNstat) {
  if (std::getenv("CLOSEWATCH_TESTS_OWN_MACHINE") == nullptr) {
    GTEST_SKIP() << "it takes a machine of its own: tests/kernels/run";
  }
  const NetworkNamespace space("memory");
  AgentScanner scanner(config_of_all(), &clock_);
  Sockets sockets;
  {
    // The kernel counts orphans ten times a second (tcp_orphan_update() in net/ipv4/tcp.c).
    const NoOrphans none;
    wait_until("aborts_on_memory are counted", [&] {
      space.run([&] { close_with_something_to_send(sockets); });
      return nstat(space).of(TcpEvent::kAbortsOnMemory).value_or(0) > 0;
    });
  }
  expect_equal(scanner, space.name(), [&] { return nstat(space); });
}

TEST_F(TcpEventsTest, AreThoseOfTheConfigurationAndNoOthers) {
  const NetworkNamespace space("few");
  space.run(refuse_one);
  auto config = config_of_all();
  config.pods.tcp_events = {};
  config.pods.tcp_events.add(TcpEvent::kResetsSent);
  AgentScanner scanner(config);
  scanner.scan();
  TcpEventCounts expected;
  expected.set(TcpEvent::kResetsSent, 1);
  EXPECT_EQ(scanner.last_visible(space.name()).tcp_events, expected);
  config.pods.tcp_events = {};
  AgentScanner without(config);
  without.scan();
  EXPECT_EQ(without.last_visible(space.name()).tcp_events, std::nullopt);
}

TEST_F(TcpEventsTest, HaveAPaceOfTheirOwn) {
  const NetworkNamespace space("pace");
  AgentScanner scanner(config_of_all(), &clock_);
  const auto resets = [&] {
    scanner.scan();
    return scanner.last_visible(space.name()).tcp_events->of(TcpEvent::kResetsSent);
  };
  EXPECT_EQ(resets(), 0U);
  space.run(refuse_one);
  clock_.steady += 10s;
  EXPECT_EQ(resets(), 0U);
  const NetworkNamespace newcomer("newcomer");
  newcomer.run(refuse_one);
  EXPECT_EQ(resets(), 0U);
  EXPECT_EQ(scanner.last_visible(newcomer.name()).tcp_events->of(TcpEvent::kResetsSent), 1U);
  clock_.steady += 20s;
  EXPECT_EQ(resets(), 1U);
}

TEST_F(TcpEventsTest, OfNamespacesThatComeAndGoAreTheirOwn) {
  AgentScanner scanner(config_of_all(), &clock_);
  for (std::size_t round = 0; round < 30; ++round) {
    const NetworkNamespace space("churn" + std::to_string(round));
    for (std::size_t i = 0; i < round % 5; ++i) space.run(refuse_one);
    const auto& found = read_again(scanner, space.name());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->of(TcpEvent::kResetsSent), round % 5) << round;
    EXPECT_EQ(*found, nstat(space));
  }
}

/// Pods as Kubernetes has them.
class TcpEventsOfPodsTest : public TcpEventsTest {
 protected:
  [[nodiscard]] Config config() const {
    auto config = config_of_all(PodDiscovery::kKubernetes);
    config.paths.pod_logs = logs_.path("pods");
    config.paths.container_logs = logs_.path("containers");
    return config;
  }
  [[nodiscard]] std::unique_ptr<SocketHolder> live_in(const NetworkNamespace& space) const {
    auto process = std::make_unique<SocketHolder>(space, [this] { return inside(); });
    process->wait_until_ready();
    return process;
  }
  [[nodiscard]] Sockets inside() const {
    testing::enter_cgroup(app_);
    return {};
  }

  testing::FakeTree logs_{{{"pods/", ""}, {"containers/", ""}}};
  testing::CgroupPod pod_{logs_, "web"};
  std::string app_ = pod_.add_container("app");
  NetworkNamespace home_{"home"};
  NetworkNamespace other_{"other"};
};

TEST_F(TcpEventsOfPodsTest, AreTheSumOfItsNamespacesAndStayWhenOneIsLost) {
  home_.run(refuse_one);
  for (int i = 0; i < 2; ++i) other_.run(refuse_one);
  const auto first = live_in(home_);
  AgentScanner scanner(config(), &clock_);
  EXPECT_EQ(read_again(scanner, "web"), nstat(home_));
  auto second = live_in(other_);
  EXPECT_EQ(read_again(scanner, "web"), sum(nstat(home_), nstat(other_)));
  const auto lost = nstat(other_);
  second.reset();
  EXPECT_EQ(read_again(scanner, "web"), sum(nstat(home_), lost));
  home_.run(refuse_one);
  other_.run(refuse_one);  // not the pod's any more
  EXPECT_EQ(read_again(scanner, "web"), sum(nstat(home_), lost));
  second = live_in(other_);
  EXPECT_EQ(read_again(scanner, "web"), sum(nstat(home_), nstat(other_)));
}

TEST_F(TcpEventsOfPodsTest, GoOnWhenThePodHasANewHome) {
  for (int i = 0; i < 3; ++i) home_.run(refuse_one);
  auto process = live_in(home_);
  AgentScanner scanner(config(), &clock_);
  EXPECT_EQ(read_again(scanner, "web"), nstat(home_));
  process.reset();
  process = live_in(other_);
  EXPECT_EQ(read_again(scanner, "web"), sum(nstat(home_), nstat(other_)));
}

TEST_F(TcpEventsOfPodsTest, OnTheHostsNetworkAreNobodys) {
  SocketHolder process([this] { return inside(); });
  process.wait_until_ready();
  const auto elsewhere = live_in(other_);  // whose counters would not be all of the pod's
  AgentScanner scanner(config(), &clock_);
  scanner.scan();
  const auto* const pod = scanner.last_pod("web");
  ASSERT_NE(pod, nullptr);
  EXPECT_TRUE(pod->host_network);
  EXPECT_EQ(pod->tcp_events, std::nullopt);
}

TEST_F(TcpEventsOfPodsTest, TakeNoPrivilegeBeyondThoseOfTheEngine) {
  home_.run(refuse_one);
  const auto process = live_in(home_);
  std::thread([&] {
    constexpr auto bit = [](unsigned capability) { return std::uint64_t{1} << capability; };
    const auto engine = testing::engine_under_test();
    testing::keep_capabilities(engine == "bpf"
                                   ? bit(CAP_BPF) | bit(CAP_PERFMON) | bit(CAP_SYS_PTRACE)
                               : engine == "procfs" ? 0
                                                    : bit(CAP_SYS_ADMIN) | bit(CAP_SYS_PTRACE));
    AgentScanner scanner(config());
    scanner.scan();
    EXPECT_EQ(scanner.last_visible("web").tcp_events, nstat(home_));
  }).join();
}

}  // namespace
}  // namespace closewatch
