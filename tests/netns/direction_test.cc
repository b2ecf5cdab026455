// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/network_namespace.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

/// Who began a connection, where that a port listens does not tell.

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::engine_under_test;
using testing::NetworkNamespace;
using testing::wait_until;

constexpr const char* kAnybody = "0.0.0.0";
constexpr const char* kOwn = "127.0.0.1";
constexpr const char* kService = "10.99.0.1";   // what clients call, and the proxy takes
constexpr const char* kAnothers = "10.99.0.2";  // in whose name a proxy dials
constexpr std::uint16_t kProxyPort = 15'001;

void check(bool succeeded, const char* what) {
  if (!succeeded) throw std::system_error(errno, std::generic_category(), what);
}

struct Place {
  const char* address;
  std::uint16_t port;
};

sockaddr_in native(const Place& place) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(place.port);
  check(::inet_pton(AF_INET, place.address, &address.sin_addr) == 1, "inet_pton");
  return address;
}

void set(const UniqueFd& socket, int level, int option) {
  constexpr int kOn = 1;
  check(::setsockopt(socket.get(), level, option, &kOn, sizeof(kOn)) == 0, "setsockopt");
}

UniqueFd tcp_socket() {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check(socket.valid(), "socket");
  return socket;
}

UniqueFd bound_to(const Place& place, int level = SOL_SOCKET, int option = SO_REUSEADDR) {
  auto socket = tcp_socket();
  set(socket, SOL_SOCKET, SO_REUSEADDR);
  set(socket, level, option);
  const auto address = native(place);
  check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "bind");
  return socket;
}

void dial(const UniqueFd& socket, const Place& place) {
  const auto address = native(place);
  check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "connect");
}

void listen(const UniqueFd& socket) { check(::listen(socket.get(), 8) == 0, "listen"); }

UniqueFd accept(const UniqueFd& listener) {
  return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

class DirectionTest : public ::testing::Test {
 protected:
  DirectionTest() {
    inside([] { EXPECT_TRUE(succeeds("ip route add local 10.99.0.0/24 dev lo")); });
  }
  static bool succeeds(const std::string& command) {
    return std::system(command.c_str()) == 0;  // NOLINT(cert-env33-c)
  }
  template <typename Work>
  void inside(const Work& work) const {
    space_.run(work);
  }
  void keep(UniqueFd socket) { sockets_.push_back(std::move(socket)); }

  /// Of the only socket in CLOSE_WAIT.
  Direction direction() {
    wait_until("ss sees the socket in CLOSE_WAIT", [&] {
      return testing::ss_counts(space_.name()).states.of(TcpState::kCloseWait) == 1;
    });
    const auto& sockets = scanner_.diagnosis_of(space_.name()).sockets;
    return sockets.at(0).direction;
  }

  /// A proxy at `listener` takes what is for the port of kService, and its client has ended. False
  /// where there is no iptables, or none with TPROXY.
  bool accept_by_tproxy(const char* listener, std::uint16_t port) {
    bool taken = false;
    inside([&] {
      taken = succeeds("iptables -w -t mangle -A PREROUTING -p tcp -d 10.99.0.1 --dport " +
                       std::to_string(port) + " -j TPROXY --on-ip 127.0.0.1 --on-port " +
                       std::to_string(kProxyPort));
      if (!taken) return;
      auto proxy = bound_to({listener, kProxyPort}, SOL_IP, IP_TRANSPARENT);
      listen(proxy);
      auto client = tcp_socket();
      dial(client, {kService, port});
      keep(accept(proxy));
      keep(std::move(proxy));
      testing::half_close(client);
      keep(std::move(client));
    });
    return taken;
  }

  /// `socket` calls a server, which ends the connection.
  void dial_and_be_left(UniqueFd socket) {
    constexpr Place kServer = {"127.0.0.3", 443};
    const auto server = bound_to(kServer);
    listen(server);
    dial(socket, kServer);
    auto accepted = accept(server);
    testing::half_close(accepted);
    keep(std::move(accepted));
    keep(std::move(socket));
  }

 private:
  NetworkNamespace space_{"direction"};
  AgentScanner scanner_;
  std::vector<UniqueFd> sockets_;
};

TEST_F(DirectionTest, WhatIsAcceptedThroughTproxyIsInbound) {
  if (!accept_by_tproxy(kAnybody, 80)) GTEST_SKIP() << "no TPROXY here";
  EXPECT_EQ(direction(),
            engine_under_test() == "procfs" ? Direction::kOutbound : Direction::kInbound);
}

TEST_F(DirectionTest, SoItIsWithAListenerOfOneAddress) {
  if (!accept_by_tproxy(kOwn, 80)) GTEST_SKIP() << "no TPROXY here";
  EXPECT_EQ(direction(),
            engine_under_test() == "procfs" ? Direction::kOutbound : Direction::kInbound);
}

TEST_F(DirectionTest, ThroughTproxyToAnEphemeralPortOnlyBpfKnowsIt) {
  if (!accept_by_tproxy(kAnybody, 40'000)) GTEST_SKIP() << "no TPROXY here";
  EXPECT_EQ(direction(), engine_under_test() == "bpf" ? Direction::kInbound : Direction::kOutbound);
}

TEST_F(DirectionTest, WhatIsDialledInAnothersNameIsOutbound) {
  inside([&] { dial_and_be_left(bound_to({kAnothers, 0}, SOL_IP, IP_TRANSPARENT)); });
  EXPECT_EQ(direction(), Direction::kOutbound);
}

TEST_F(DirectionTest, SoItIsFromTheCallersOwnPort) {
  inside([&] { dial_and_be_left(bound_to({kAnothers, 5555}, SOL_IP, IP_TRANSPARENT)); });
  EXPECT_EQ(direction(), Direction::kOutbound);
}

TEST_F(DirectionTest, WhatIsDialledFromAListeningPortOnlyBpfKnowsFromWhatIsAccepted) {
  inside([&] {
    auto listener = bound_to({kOwn, 4001}, SOL_SOCKET, SO_REUSEPORT);
    listen(listener);
    keep(std::move(listener));
    dial_and_be_left(bound_to({kOwn, 4001}, SOL_SOCKET, SO_REUSEPORT));
  });
  EXPECT_EQ(direction(), engine_under_test() == "bpf" ? Direction::kOutbound : Direction::kInbound);
}

TEST_F(DirectionTest, WhatIsAcceptedAtABoundPortIsInbound) {
  inside([&] {
    auto listener = bound_to({kOwn, 4001});
    listen(listener);
    auto client = tcp_socket();
    dial(client, {kOwn, 4001});
    keep(accept(listener));
    keep(std::move(listener));
    testing::half_close(client);
    keep(std::move(client));
  });
  EXPECT_EQ(direction(), Direction::kInbound);
}

}  // namespace
}  // namespace closewatch
