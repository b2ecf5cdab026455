// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::AgentScanner;
using testing::Connection;
using testing::Listener;
using testing::NetworkNamespace;
using testing::wait_until;
using testing::Wire;

/// The only sockets in CLOSE_WAIT that a namespace has, once `ss` sees so many.
class Leaks {
 public:
  explicit Leaks(const std::string& name, std::size_t count) {
    wait_until("ss sees the sockets in CLOSE_WAIT",
               [&] { return testing::ss_counts(name).states.of(TcpState::kCloseWait) == count; });
    diagnosis_ = scanner_.diagnosis_of(name);
  }

  [[nodiscard]] const Diagnosis& diagnosis() const { return diagnosis_; }
  [[nodiscard]] std::uint64_t of(Direction direction, OwedCall owes) const {
    return diagnosis_.containers.at(0).of(direction, owes);
  }
  [[nodiscard]] std::uint64_t total() const {
    return std::accumulate(
        kDirections.begin(), kDirections.end(), std::uint64_t{0},
        [&](std::uint64_t sum, Direction direction) { return sum + diagnosis_.of(direction); });
  }

 private:
  AgentScanner scanner_;
  Diagnosis diagnosis_;
};

/// A namespace with a listener, over each kind of wire.
class DiagnosisTest : public ::testing::TestWithParam<Wire> {
 protected:
  /// Runs in the namespace.
  void inside(const std::function<void()>& work) const { space_.run(work); }
  /// In the namespace: a connection that its client has ended, after so many bytes.
  void ended_by_client(std::size_t unread = 0) {
    auto& connection = connections_.emplace_back(testing::connected(GetParam(), listener_));
    if (unread > 0) testing::send_bytes(connection.client, unread);
    testing::half_close(connection.client);
  }
  /// Likewise by its server.
  void ended_by_server(std::size_t unread = 0) {
    auto& connection = connections_.emplace_back(testing::connected(GetParam(), listener_));
    if (unread > 0) testing::send_bytes(connection.server, unread);
    testing::half_close(connection.server);
  }
  [[nodiscard]] Leaks leaks(std::size_t count) const { return Leaks(space_.name(), count); }
  static std::string loopback() { return GetParam() == Wire::kIpv6 ? "[::1]" : "127.0.0.1"; }

  void SetUp() override {
    space_.run([&] { listener_ = testing::listen_on(GetParam(), 64); });
  }

  NetworkNamespace space_{"diagnosis"};
  Listener listener_;
  std::vector<Connection> connections_;
};

TEST_P(DiagnosisTest, EndOfFileReadButNotClosed) {
  inside([&] {
    ended_by_client();
    testing::read_to_end(connections_.back().server);
    ended_by_server();
    testing::read_to_end(connections_.back().client);
    ended_by_server(100);
    testing::read_to_end(connections_.back().client);
  });
  const auto found = leaks(3);
  EXPECT_EQ(found.of(Direction::kInbound, OwedCall::kClose), 1U);
  EXPECT_EQ(found.of(Direction::kOutbound, OwedCall::kClose), 2U);
  EXPECT_EQ(found.total(), 3U);
  EXPECT_EQ(found.diagnosis().unread_bytes, 0U);
}

TEST_P(DiagnosisTest, EndOfFileNotRead) {
  inside([&] {
    ended_by_client();
    ended_by_server();
    ended_by_server();
  });
  const auto found = leaks(3);
  EXPECT_EQ(found.of(Direction::kInbound, OwedCall::kRead), 1U);
  EXPECT_EQ(found.of(Direction::kOutbound, OwedCall::kRead), 2U);
  EXPECT_EQ(found.total(), 3U);
  EXPECT_EQ(found.diagnosis().unread_bytes, 0U);
}

// The kernel passes over a FIN that came in the segment of the last data read, or was joined to it,
// though nobody was told.
TEST_P(DiagnosisTest, AllDataReadAfterTheFinCame) {
  inside([&] {
    const auto& ends = connections_.emplace_back(testing::connected(GetParam(), listener_));
    std::array<char, 100> bytes{};
    ASSERT_EQ(::send(ends.server.get(), bytes.data(), bytes.size(), MSG_MORE), 100);
    testing::half_close(ends.server);  // in the segment that was held back for more
    EXPECT_EQ(::recv(ends.client.get(), bytes.data(), bytes.size(), 0), 100);
  });
  EXPECT_EQ(leaks(1).of(Direction::kOutbound, OwedCall::kClose), 1U);
}

TEST_P(DiagnosisTest, DataUnread) {
  inside([&] {
    ended_by_client(1);
    ended_by_client(1000);
    ended_by_server(777);
  });
  const auto found = leaks(3);
  EXPECT_EQ(found.of(Direction::kInbound, OwedCall::kRead), 2U);
  EXPECT_EQ(found.of(Direction::kOutbound, OwedCall::kRead), 1U);
  EXPECT_EQ(found.diagnosis().unread_bytes, 1778U);
}

TEST_P(DiagnosisTest, NeverAccepted) {
  std::vector<UniqueFd> clients;
  inside([&] {
    for (const std::size_t unread : {0U, 50U}) {
      auto& client = clients.emplace_back(testing::connect_to(GetParam(), listener_.port));
      if (unread > 0) testing::send_bytes(client, unread);
      testing::half_close(client);
    }
  });
  const auto found = leaks(2);
  EXPECT_EQ(found.of(Direction::kInbound, OwedCall::kAccept), 2U);
  EXPECT_EQ(found.total(), 2U);
  EXPECT_EQ(found.diagnosis().unread_bytes, 50U);
}

TEST_P(DiagnosisTest, APeerThatIsAliveAndStillReceives) {
  inside([&] {
    ended_by_client();
    const auto& client = connections_.back().client;
    const auto& server = connections_.back().server;
    testing::read_to_end(server);
    testing::send_bytes(server, 300);  // which the client acknowledges
    wait_until("the client has it", [&] {
      std::array<char, 300> bytes{};
      return ::recv(client.get(), bytes.data(), bytes.size(), MSG_PEEK) == 300;
    });
  });
  const auto found = leaks(1);
  EXPECT_EQ(found.of(Direction::kInbound, OwedCall::kClose), 1U);
  EXPECT_EQ(found.diagnosis().unread_bytes, 0U);
}

TEST_P(DiagnosisTest, AnAppAndItsSidecarInOnePod) {
  Listener sidecar;
  Connection upstream;
  inside([&] {
    sidecar = testing::listen_on(GetParam(), 64);
    ended_by_client();  // the caller's end of app
    upstream = testing::connected(GetParam(), sidecar);
    testing::half_close(upstream.server);  // the sidecar ends what the app called
  });
  const auto found = leaks(2);
  EXPECT_EQ(found.diagnosis().of(Direction::kInbound), 1U);
  EXPECT_EQ(found.diagnosis().of(Direction::kOutbound), 1U);
  const std::vector<PeerSums> peers = {
      {Direction::kInbound, loopback(), 1, 0},
      {Direction::kOutbound, loopback() + ":" + std::to_string(sidecar.port), 1, 0}};
  auto sorted = found.diagnosis().peers;
  std::sort(sorted.begin(), sorted.end(),
            [](const PeerSums& a, const PeerSums& b) { return a.direction < b.direction; });
  EXPECT_EQ(sorted, peers);
}

TEST_P(DiagnosisTest, AListenerThatWasClosedMeanwhileIsRemembered) {
  AgentScanner scanner;
  inside([&] { connections_.push_back(testing::connected(GetParam(), listener_)); });
  scanner.scan();
  listener_.fd = UniqueFd();
  scanner.scan();  // now only the connection tells of the port
  testing::half_close(connections_.back().client);
  wait_until("ss sees the socket in CLOSE_WAIT", [&] {
    return testing::ss_counts(space_.name()).states.of(TcpState::kCloseWait) == 1;
  });
  EXPECT_EQ(scanner.diagnosis_of(space_.name()).of(Direction::kInbound), 1U);
}

TEST_P(DiagnosisTest, EachSocketIsListedWithItsTwoEnds) {
  inside([&] { ended_by_server(7); });
  const auto found = leaks(1);
  ASSERT_EQ(found.diagnosis().sockets.size(), 1U);
  const auto& socket = found.diagnosis().sockets[0];
  EXPECT_EQ(text_of(socket.remote), loopback() + ":" + std::to_string(listener_.port));
  EXPECT_EQ(socket.unread_bytes(), 7U);
  EXPECT_NE(socket.local.port, listener_.port);
}

INSTANTIATE_TEST_SUITE_P(OverEachWire, DiagnosisTest,
                         ::testing::Values(Wire::kIpv4, Wire::kIpv6, Wire::kMapped),
                         [](const auto& tested) { return std::string(name_of(tested.param)); });

/// A connection whose client has sent its FIN so long ago that an age which counts from the first
/// sight is wrong by more than the second that is allowed.
class Ages : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::engine_is_text()) GTEST_SKIP() << "the text tells no age";
    space_.run([&] {
      listener_ = testing::listen_on(Wire::kIpv4, 64);
      connection_ = testing::connected(Wire::kIpv4, listener_);
    });
    before_ = steady_clock::now();
    testing::half_close(connection_.client);
    after_ = steady_clock::now();
    wait_until("the socket has aged", [&] { return steady_clock::now() - after_ > 1500ms; });
  }

  void expect_right_age(AgentScanner& scanner) const {
    const auto scan_began = steady_clock::now();
    const auto age = scanner.diagnosis_of(space_.name()).oldest;
    EXPECT_GE(age, scan_began - after_ - 1s);
    EXPECT_LE(age, steady_clock::now() - before_ + kTick);
  }

  static constexpr auto kTick = 10ms;  // of the kernel's clock, at its coarsest

  NetworkNamespace space_{"ages"};
  Listener listener_;
  Connection connection_;
  steady_clock::time_point before_;
  steady_clock::time_point after_;
};

TEST_F(Ages, AreRightAtTheFirstScanAndAfterARestart) {
  for (int start = 0; start < 2; ++start) {
    AgentScanner scanner;
    expect_right_age(scanner);
    EXPECT_EQ(scanner.diagnosis_of(space_.name()).entered, 0U);
  }
}

TEST_F(Ages, StayRightWhenALaterAckHidesTheFin) {
  AgentScanner scanner;
  expect_right_age(scanner);
  const auto sent = steady_clock::now();
  testing::send_bytes(connection_.server, 1);  // which the client acknowledges
  wait_until("the acknowledgement is there", [&] {
    AgentScanner another;
    const auto age = another.diagnosis_of(space_.name()).oldest;
    return age <= steady_clock::now() - sent + kTick;
  });
  expect_right_age(scanner);
}

TEST(Peers, StayFewWith50000OfThem) {
  constexpr std::uint16_t kEach = 16'700;  // a process may have 20,000 descriptors
  constexpr std::size_t kAll = std::size_t{3} * kEach;
  const NetworkNamespace space("peers");
  std::vector<testing::SocketHolder> holders;
  for (const auto network : std::array<std::uint8_t, 3>{40, 41, 42}) {
    holders.emplace_back(space,
                         [network] { return testing::many_in_close_wait(kEach, network, kEach); });
  }
  for (const auto& holder : holders) holder.wait_until_ready();
  const Leaks found(space.name(), kAll);
  const auto& peers = found.diagnosis().peers;
  ASSERT_EQ(peers.size(), 4U);
  EXPECT_EQ(peers[0], (PeerSums{Direction::kInbound, "127.40.0.1", 1, 0}));
  EXPECT_EQ(peers[3], (PeerSums{Direction::kInbound, kOtherPeers, kAll - 3, 0}));
  EXPECT_EQ(found.diagnosis().sockets.size(), 500U);
}

}  // namespace
}  // namespace closewatch
