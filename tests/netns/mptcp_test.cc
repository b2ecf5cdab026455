// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_tree.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/unique_fd.h"
#include "closewatch/diagnosis/state_counts.h"
#include "closewatch/kernel/engine.h"
#include "closewatch/kernel/engines.h"

/// Connections of MPTCP are told as `ss -M` tells them, and each once.

namespace closewatch {
namespace {

using testing::NetworkNamespace;
using testing::wait_until;

constexpr int kIpprotoMptcp = 262;

void expect_done(bool right, const char* what) {
  if (!right) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

/// Two ends and the listener between them, in the namespace of the calling thread. `local` is where
/// all of them are.
struct Ends {
  UniqueFd listener;
  UniqueFd client;
  UniqueFd server;  ///< empty until accept()
};

struct Bound {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Bound place_at(const char* text) {
  Bound place;
  auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&place.address);
  auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&place.address);
  if (::inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    place.size = sizeof(*ipv4);
  } else {
    expect_done(::inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1, text);
    ipv6->sin6_family = AF_INET6;
    place.size = sizeof(*ipv6);
  }
  return place;
}

sockaddr* as_sockaddr(Bound& place) { return reinterpret_cast<sockaddr*>(&place.address); }

UniqueFd make_socket(const Bound& place, int protocol) {
  UniqueFd made(::socket(place.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, protocol));
  expect_done(made.get() >= 0, "socket");
  return made;
}

struct Protocols {
  int client = kIpprotoMptcp;
  int server = kIpprotoMptcp;
};

Ends ends_at(const char* address, const Protocols& protocols = {}) {
  auto place = place_at(address);
  Ends ends;
  ends.listener = make_socket(place, protocols.server);
  expect_done(::bind(ends.listener.get(), as_sockaddr(place), place.size) == 0, "bind");
  expect_done(::listen(ends.listener.get(), 8) == 0, "listen");
  ends.client = make_socket(place, protocols.client);
  expect_done(::bind(ends.client.get(), as_sockaddr(place), place.size) == 0, "bind");
  auto to = place;
  expect_done(::getsockname(ends.listener.get(), as_sockaddr(to), &to.size) == 0, "getsockname");
  expect_done(::connect(ends.client.get(), as_sockaddr(to), to.size) == 0, "connect");
  return ends;
}

void accept(Ends& ends) {
  ends.server = UniqueFd(::accept(ends.listener.get(), nullptr, nullptr));
  expect_done(ends.server.get() >= 0, "accept");
}

Ends accepted_at(const char* address, const Protocols& protocols = {}) {
  auto ends = ends_at(address, protocols);
  accept(ends);
  return ends;
}

void send_bytes(const UniqueFd& socket, std::size_t count) {
  const std::string bytes(count, 'x');
  expect_done(::send(socket.get(), bytes.data(), count, 0) == static_cast<ssize_t>(count), "send");
}

void half_close(const UniqueFd& socket) {
  expect_done(::shutdown(socket.get(), SHUT_WR) == 0, "shutdown");
}

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
}

/// A line of `ss -HMtane`.
struct Listed {
  bool mptcp = false;
  std::string state;
  std::uint32_t receive_queue = 0;
  std::string local;
  std::string remote;
  std::uint32_t inode = 0;
};

std::vector<Listed> list(const NetworkNamespace& space) {
  const auto command = "ss -N " + space.name() + " -HMtane";
  const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(command.c_str(), "r"), &::pclose);
  std::vector<Listed> all;
  std::array<char, 1024> line{};
  while (std::fgets(line.data(), line.size(), output.get()) != nullptr) {
    std::istringstream fields(line.data());
    std::string protocol;
    std::string word;
    auto& listed = all.emplace_back();
    fields >> protocol >> listed.state >> listed.receive_queue >> word >> listed.local >>
        listed.remote;
    listed.mptcp = protocol == "mptcp";
    while (fields >> word) {
      if (word.starts_with("ino:")) {
        listed.inode = static_cast<std::uint32_t>(std::stoul(word.substr(4)));
      }
    }
  }
  return all;
}

/// What is to be told: of a connection of MPTCP the one line that is its own.
std::vector<Listed> each_once(const std::vector<Listed>& all) {
  std::vector<Listed> kept;
  for (const auto& one : all) {
    const auto belongs = [&](const Listed& other) {
      if (!other.mptcp || other.state == "LISTEN") return false;
      const bool first = other.local == one.local && other.remote == one.remote;
      return first || (one.inode != 0 && other.inode == one.inode);
    };
    if (one.mptcp ? one.state != "LISTEN" : std::none_of(all.begin(), all.end(), belongs)) {
      kept.push_back(one);
    }
  }
  return kept;
}

std::string state_in_ss(TcpState state) {
  static const std::map<TcpState, std::string> kOdd = {{TcpState::kEstablished, "ESTAB"},
                                                       {TcpState::kClose, "UNCONN"}};
  if (const auto odd = kOdd.find(state); odd != kOdd.end()) return odd->second;
  std::string name(name_of(state));
  for (auto& letter : name) {
    letter = letter == '_' ? '-' : static_cast<char>(std::toupper(letter));
  }
  for (const std::string end : {"1", "2"}) {  // FIN-WAIT-2
    if (name.ends_with(end)) name.insert(name.size() - 1, "-");
  }
  return name;
}

/// (inode, receive queue) of each in CLOSE_WAIT, a FIN counting as one.
using Waiting = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

struct Told {
  std::map<std::string, std::uint64_t> states;
  Waiting waiting;
  bool operator==(const Told&) const = default;
};

void PrintTo(const Told& told, std::ostream* out) {  // NOLINT(readability-identifier-naming)
  for (const auto& [state, sockets] : told.states) *out << state << " " << sockets << ", ";
  for (const auto& [inode, queue] : told.waiting)
    *out << "inode " << inode << ": " << queue << ", ";
}

Told told_by_ss(const NetworkNamespace& space) {
  Told told;
  for (const auto& one : each_once(list(space))) {
    ++told.states[one.state];
    if (one.state != "CLOSE-WAIT") continue;
    const bool without_fin = one.mptcp && one.receive_queue > 0;
    told.waiting.emplace_back(one.inode, one.receive_queue + (without_fin ? 1 : 0));
  }
  std::sort(told.waiting.begin(), told.waiting.end());
  return told;
}

struct Constellation {
  const char* name;
  std::uint64_t close_wait;
  std::function<Ends(const NetworkNamespace&)> make;  ///< called inside the namespace
};

Ends ended_by_client(Ends ends, std::size_t unread) {
  if (unread > 0) send_bytes(ends.client, unread);
  half_close(ends.client);
  return ends;
}

Ends with_two_subflows(const NetworkNamespace& space) {
  run("ip addr add 10.99.0.1/32 dev lo && ip addr add 10.99.0.2/32 dev lo && "
      "ip mptcp limits set subflow 2 add_addr_accepted 2 && "
      "ip mptcp endpoint add 10.99.0.2 subflow");
  auto ends = accepted_at("10.99.0.1");
  send_bytes(ends.client, 1);
  char byte = 0;
  expect_done(::recv(ends.server.get(), &byte, 1, 0) == 1, "recv");
  wait_until("both ends have a second subflow", [&] {
    const auto all = list(space);
    return std::count_if(all.begin(), all.end(),
                         [](const Listed& one) { return !one.mptcp && one.state == "ESTAB"; }) == 4;
  });
  half_close(ends.client);
  return ends;
}

const std::array kConstellations = {
    Constellation{"FallenBackClient", 1,
                  [](const auto&) {
                    auto ends = accepted_at("127.0.0.1", {.server = IPPROTO_TCP});
                    send_bytes(ends.server, 4000);
                    half_close(ends.server);
                    return ends;
                  }},
    Constellation{"FallenBackServer", 1,
                  [](const auto&) {
                    return ended_by_client(accepted_at("127.0.0.1", {.client = IPPROTO_TCP}), 1000);
                  }},
    Constellation{"BothEndsWithUnreadData", 1,
                  [](const auto&) { return ended_by_client(accepted_at("127.0.0.1"), 1000); }},
    Constellation{"BothEndsWithoutData", 1,
                  [](const auto&) { return ended_by_client(accepted_at("127.0.0.1"), 0); }},
    Constellation{"OverIpv6", 1,
                  [](const auto&) { return ended_by_client(accepted_at("::1"), 1000); }},
    Constellation{"OverMappedAddresses", 1,
                  [](const auto&) { return ended_by_client(accepted_at("::ffff:127.0.0.1"), 10); }},
    Constellation{"NotAccepted", 1,
                  [](const auto&) { return ended_by_client(ends_at("127.0.0.1"), 1000); }},
    Constellation{"Established", 0, [](const auto&) { return accepted_at("127.0.0.1"); }},
    Constellation{"EstablishedWithUnreadData", 0,
                  [](const auto&) {
                    auto ends = accepted_at("127.0.0.1");
                    send_bytes(ends.client, 3000);
                    return ends;
                  }},
    Constellation{"ClosedByTheServer", 1,
                  [](const auto&) {
                    auto ends = accepted_at("127.0.0.1");
                    ends.server = UniqueFd();
                    return ends;
                  }},
    Constellation{"OnlyTheListenerIsLeft", 0,
                  [](const auto&) {
                    auto ends = accepted_at("127.0.0.1");
                    ends.client = UniqueFd();
                    ends.server = UniqueFd();
                    return ends;
                  }},
    Constellation{"TwoSubflows", 1, with_two_subflows},
};

class Mptcp : public ::testing::TestWithParam<std::tuple<Engine, std::size_t>> {
 protected:
  Told told() {
    source_->begin_scan(std::nullopt);
    const auto reading = source_->read(space_.open().get(), {.tcp_info = true}, sink_);
    if (!reading) throw std::runtime_error(reading.error().what);
    Told told;
    for (const auto& count : sink_.counts) told.states[state_in_ss(count.state)] += count.sockets;
    for (const auto& row : sink_.rows) {
      ++told.states[state_in_ss(row.state)];
      if (row.state == TcpState::kCloseWait) {
        told.waiting.emplace_back(row.inode, row.receive_queue);
      }
    }
    std::sort(told.waiting.begin(), told.waiting.end());
    return told;
  }
  [[nodiscard]] SocketRow close_wait_row() const {
    return *std::find_if(sink_.rows.begin(), sink_.rows.end(),
                         [](const SocketRow& row) { return row.state == TcpState::kCloseWait; });
  }

  static std::unique_ptr<SocketSource> make_source() {
    std::vector<std::string> details;
    auto source = std::get<Engine>(GetParam()) == Engine::kBpf ? make_bpf_source(details)
                                                               : make_inet_diag_source();
    if (!source) throw std::runtime_error(source.error().what);
    return std::move(*source);
  }

  NetworkNamespace space_{"mptcp"};
  testing::CollectingSink sink_;
  std::unique_ptr<SocketSource> source_ = make_source();
};

TEST_P(Mptcp, IsToldAsSsTellsIt) {
  const auto& constellation = kConstellations.at(std::get<std::size_t>(GetParam()));
  const auto begin = std::chrono::steady_clock::now();
  Ends ends;
  space_.run([&] { ends = constellation.make(space_); });
  Told expected;
  wait_until("the FIN has come, and nothing is under way", [&] {
    expected = told_by_ss(space_);
    return expected.waiting.size() == constellation.close_wait &&
           !expected.states.contains("FIN-WAIT-1") && !expected.states.contains("LAST-ACK") &&
           expected == told_by_ss(space_);
  });
  ASSERT_EQ(told(), expected);
  if (constellation.close_wait == 0) return;

  ASSERT_FALSE(expected.waiting.empty());
  const auto row = close_wait_row();
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  constexpr std::uint32_t kTick = 10;  // of the slowest kernel, ms
  ASSERT_TRUE(row.last_ack_received_ms);
  EXPECT_LE(*row.last_ack_received_ms, elapsed.count() + kTick);
  EXPECT_TRUE(row.cgroup_id);
  EXPECT_EQ(told(), expected);
  EXPECT_EQ(close_wait_row().cookie, row.cookie);
}

std::string name_of_constellation(const ::testing::TestParamInfo<Mptcp::ParamType>& info) {
  return std::string(name_of(std::get<Engine>(info.param))) + "_" +
         kConstellations.at(std::get<std::size_t>(info.param)).name;
}

std::vector<Mptcp::ParamType> each_case() {
  std::vector<Mptcp::ParamType> cases;
  for (const auto engine : {Engine::kInetDiag, Engine::kBpf}) {
    for (std::size_t i = 0; i < kConstellations.size(); ++i) cases.emplace_back(engine, i);
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(EachEngine, Mptcp, ::testing::ValuesIn(each_case()),
                         name_of_constellation);

/// What the agent makes of it.
class MptcpDiagnosis : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::engine_is_text()) GTEST_SKIP() << "the text has nothing of MPTCP";
  }

  template <typename Make>
  Ends make(const Make& ends_of) const {
    Ends ends;
    space_.run([&] { ends = ends_of(); });
    return ends;
  }

  void wait_for_close_wait(std::size_t sockets) const {
    wait_until("the FIN has come", [&] { return told_by_ss(space_).waiting.size() == sockets; });
  }

  const Diagnosis& diagnosis() { return scanner_.diagnosis_of(space_.name()); }

  /// Of the only one in CLOSE_WAIT.
  const CloseWaitSocket& socket() { return diagnosis().sockets.at(0); }

  NetworkNamespace space_{"mptcp-diagnosis"};
  testing::FakeClock clock_;
  testing::AgentScanner scanner_{testing::AgentScanner::config_for(PodDiscovery::kStandalone),
                                 &clock_};
};

Ends ended_by_server(Ends ends) {
  half_close(ends.server);
  return ends;
}

TEST_F(MptcpDiagnosis, WhatIsAcceptedIsInbound) {
  for (const int client : {kIpprotoMptcp, int{IPPROTO_TCP}}) {
    const auto ends =
        make([&] { return ended_by_client(accepted_at("127.0.0.1", {.client = client}), 0); });
    wait_for_close_wait(1);
    EXPECT_EQ(socket().direction, Direction::kInbound) << client;
  }
}

TEST_F(MptcpDiagnosis, WhatIsDialledIsOutbound) {
  for (const int server : {kIpprotoMptcp, int{IPPROTO_TCP}}) {
    const auto ends =
        make([&] { return ended_by_server(accepted_at("127.0.0.1", {.server = server})); });
    wait_for_close_wait(1);
    EXPECT_EQ(socket().direction, Direction::kOutbound) << server;
  }
}

TEST_F(MptcpDiagnosis, WhatIsOwedIsTold) {
  {
    const auto ends = make([] { return ended_by_client(ends_at("127.0.0.1"), 10); });
    wait_for_close_wait(1);
    EXPECT_EQ(socket().owes, OwedCall::kAccept);
    EXPECT_EQ(socket().direction, Direction::kInbound);
  }
  {
    const auto ends = make([] { return ended_by_client(accepted_at("127.0.0.1"), 10); });
    wait_for_close_wait(1);
    EXPECT_EQ(socket().owes, OwedCall::kRead);
    EXPECT_EQ(socket().unread_bytes() + 1, told_by_ss(space_).waiting.at(0).second);
  }
}

TEST_F(MptcpDiagnosis, EnteredLeftAndAgeGoByTheConnection) {
  constexpr auto kBetween = std::chrono::minutes(2);
  EXPECT_EQ(diagnosis().entered, 0U);
  clock_.steady += kBetween;
  auto one = make([] { return ended_by_client(accepted_at("127.0.0.1"), 0); });
  wait_for_close_wait(1);
  EXPECT_EQ(diagnosis().entered, 1U);
  EXPECT_LT(socket().age, kBetween);
  EXPECT_EQ(diagnosis().stuck(), 0U);

  clock_.steady += kBetween;
  const auto other = make([] { return ended_by_client(accepted_at("127.0.0.1"), 0); });
  wait_for_close_wait(2);
  const auto& two = diagnosis();
  EXPECT_EQ(two.entered, 2U);
  EXPECT_EQ(two.left, 0U);
  EXPECT_EQ(two.stuck(), 1U);
  EXPECT_GE(two.sockets.at(0).age, kBetween);
  EXPECT_LT(two.sockets.at(1).age, kBetween);

  one = {};
  wait_for_close_wait(1);
  for (int i = 0; i < 2; ++i) {  // one that is missing once may have been missed
    clock_.steady += kBetween;
    (void)diagnosis();
  }
  EXPECT_EQ(scanner_.last_visible(space_.name()).diagnosis.entered, 2U);
  EXPECT_EQ(scanner_.last_visible(space_.name()).diagnosis.left, 1U);
}

class MptcpContainers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::engine_is_text()) GTEST_SKIP() << "the text names no container";
  }

  /// A process of the container keeps both ends, one of which is in CLOSE_WAIT.
  static std::vector<UniqueFd> leak_in(const std::string& cgroup, Ends (*end)(Ends ends)) {
    testing::enter_cgroup(cgroup);
    auto ends = end(accepted_at("127.0.0.1"));
    std::vector<UniqueFd> kept;
    for (auto* const one : {&ends.listener, &ends.client, &ends.server}) {
      kept.push_back(std::move(*one));
    }
    return kept;
  }

  static Ends end_client(Ends ends) { return ended_by_client(std::move(ends), 0); }
  static Ends end_server(Ends ends) { return ended_by_server(std::move(ends)); }

  [[nodiscard]] Config config() const {
    auto config = testing::AgentScanner::config_for(PodDiscovery::kKubernetes);
    config.paths.pod_logs = logs_.path("pods");
    config.paths.container_logs = logs_.path("containers");
    return config;
  }

  testing::FakeTree logs_{{{"pods/", ""}, {"containers/", ""}}};
  NetworkNamespace space_{"mptcp-containers"};
  testing::CgroupPod pod_{logs_, "web"};
  std::string app_ = pod_.add_container("app");
  std::string sidecar_ = pod_.add_container("sidecar");
};

TEST_F(MptcpContainers, AreThoseThatMadeTheConnections) {
  const testing::SocketHolder inbound(space_, [&] { return leak_in(app_, end_client); });
  inbound.wait_until_ready();
  const testing::SocketHolder outbound(space_, [&] { return leak_in(sidecar_, end_server); });
  outbound.wait_until_ready();
  wait_until("both FINs have come", [&] { return told_by_ss(space_).waiting.size() == 2; });
  testing::AgentScanner scanner(config());
  const auto& found = scanner.diagnosis_of("web");
  ASSERT_EQ(found.containers.size(), 2U);
  EXPECT_EQ(found.containers[0].container, "app");
  EXPECT_EQ(found.containers[0].of(Direction::kInbound, OwedCall::kClose), 1U);
  EXPECT_EQ(found.containers[1].container, "sidecar");
  EXPECT_EQ(found.containers[1].of(Direction::kOutbound, OwedCall::kClose), 1U);
  EXPECT_EQ(found.of(Direction::kInbound), 1U);
  EXPECT_EQ(found.of(Direction::kOutbound), 1U);
}

TEST_F(MptcpContainers, AreToldOnTheHostsNetworkToo) {
  const testing::SocketHolder holder([&] { return leak_in(app_, end_client); });
  holder.wait_until_ready();
  testing::AgentScanner scanner(config());
  wait_until("the FIN has come",
             [&] { return scanner.sums_of("web").states.of(TcpState::kCloseWait) == 1; });
  const auto& found = scanner.last_visible("web").diagnosis;
  EXPECT_EQ(found.containers.at(0).container, "app");
  EXPECT_EQ(found.containers.at(0).of(Direction::kInbound, OwedCall::kClose), 1U);
}

}  // namespace
}  // namespace closewatch
