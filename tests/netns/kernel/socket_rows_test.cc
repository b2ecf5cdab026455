// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "tests/support/collecting_sink.h"
#include "tests/support/network_namespace.h"
#include "tests/support/tcp_sockets.h"
#include "tests/unit/kernel/netlink_messages.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/file.h"
#include "kernel/inet_diag_source.h"

namespace closewatch {
namespace {

using testing::CollectingSink;
using testing::Connection;
using testing::NetworkNamespace;
using testing::wait_until;
using testing::Wire;

constexpr int kSoCookie = 57;
constexpr int kSoNetnsCookie = 71;  // Linux 5.14

/// Nothing where the kernel does not know it.
std::optional<std::uint64_t> option_of(const UniqueFd& socket, int option) {
  std::uint64_t value = 0;
  socklen_t size = sizeof(value);
  if (::getsockopt(socket.get(), SOL_SOCKET, option, &value, &size) != 0) return std::nullopt;
  return value;
}

ino_t inode_of(const UniqueFd& fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd.get(), &status), 0);
  return status.st_ino;
}

/// A connection whose server end is in CLOSE_WAIT with `unread` bytes before the FIN.
Connection half_closed(Wire wire, const testing::Listener& listener, const std::string& unread) {
  auto connection = testing::connected(wire, listener);
  EXPECT_EQ(::send(connection.client.get(), unread.data(), unread.size(), 0),
            static_cast<ssize_t>(unread.size()));
  testing::half_close(connection.client);
  return connection;
}

class SocketRowsTest : public ::testing::Test {
 protected:
  /// The only row in CLOSE_WAIT, once it is there.
  SocketRow close_wait_row(const SocketQuery& query = {}) {
    SocketRow found;
    wait_until("there is a socket in CLOSE_WAIT", [&] {
      const auto fd = space_.open();
      const auto reading = source_.read(fd.get(), query, sink_);
      if (!reading) throw std::runtime_error(reading.error().what);
      reading_ = *reading;
      const auto at = std::find_if(sink_.rows.begin(), sink_.rows.end(), [](const SocketRow& row) {
        return row.state == TcpState::kCloseWait;
      });
      if (at == sink_.rows.end()) return false;
      found = *at;
      return true;
    });
    return found;
  }

  NetworkNamespace space_{"rows"};
  InetDiagSource source_{*make_netlink_opener()};
  CollectingSink sink_;
  SocketReading reading_;
};

TEST_F(SocketRowsTest, TellAllThatTheKernelKnows) {
  testing::Listener listener;
  Connection connection;
  std::optional<std::uint64_t> namespace_cookie;
  space_.run([&] {
    listener = testing::listen_on(Wire::kIpv4, 8);
    connection = half_closed(Wire::kIpv4, listener, "hello");
    namespace_cookie = option_of(connection.server, kSoNetnsCookie);
  });
  const auto row = close_wait_row({.states = SocketQuery::kAllStates, .tcp_info = true});
  EXPECT_EQ(row.receive_queue, 6U);  // the FIN counts as one
  EXPECT_EQ(row.send_queue, 0U);
  EXPECT_EQ(row.inode, inode_of(connection.server));
  EXPECT_EQ(row.cookie, option_of(connection.server, kSoCookie));
  EXPECT_EQ(row.local.port, listener.port);
  EXPECT_EQ(row.local.address.family, AddressFamily::kIpv4);
  EXPECT_THAT(std::vector(row.remote.address.bytes.begin(), row.remote.address.bytes.begin() + 4),
              ::testing::ElementsAre(127, 0, 0, 1));
  EXPECT_EQ(reading_.namespace_cookie, namespace_cookie);
  ASSERT_TRUE(row.last_ack_received_ms);
  EXPECT_LT(*row.last_ack_received_ms, 60'000U);
}

TEST_F(SocketRowsTest, HaveNoAgeUnlessAskedFor) {
  Connection connection;
  testing::Listener listener;
  space_.run([&] {
    listener = testing::listen_on(Wire::kIpv4, 8);
    connection = half_closed(Wire::kIpv4, listener, "");
  });
  EXPECT_EQ(close_wait_row().last_ack_received_ms, std::nullopt);
}

TEST_F(SocketRowsTest, NameTheCgroupOfTheirCreator) {
  std::string cgroups;
  ASSERT_TRUE(read_file_at(kWorkingDirectory, "/proc/self/cgroup", cgroups));
  const auto line = cgroups.find("0::");
  ASSERT_NE(line, std::string::npos) << "this machine has no cgroup v2 hierarchy";
  const auto path = cgroups.substr(line + 3, cgroups.find('\n', line) - line - 3);
  struct stat status {};
  const bool is_v2 = ::stat("/sys/fs/cgroup/cgroup.controllers", &status) == 0;
  const auto directory = (is_v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified") + path;
  ASSERT_EQ(::stat(directory.c_str(), &status), 0) << directory;

  Connection connection;
  testing::Listener listener;
  space_.run([&] {
    listener = testing::listen_on(Wire::kIpv4, 8);
    connection = half_closed(Wire::kIpv4, listener, "");
  });
  EXPECT_EQ(close_wait_row().cgroup_id, status.st_ino);
}

TEST_F(SocketRowsTest, HaveNoInodeBeforeTheyAreAccepted) {
  testing::Listener listener;
  UniqueFd client;
  space_.run([&] {
    listener = testing::listen_on(Wire::kIpv4, 8);
    client = testing::connect_to(Wire::kIpv4, listener.port);
    testing::half_close(client);
  });
  EXPECT_EQ(close_wait_row().inode, 0U);
}

TEST_F(SocketRowsTest, OfADualStackListenerAreIpv6WithAMappedAddress) {
  testing::Listener listener;
  Connection connection;
  space_.run([&] {
    listener = testing::listen_on(Wire::kMapped, 8);
    connection = half_closed(Wire::kMapped, listener, "");
  });
  const auto row = close_wait_row();
  EXPECT_EQ(row.remote.address.family, AddressFamily::kIpv6);
  EXPECT_THAT(row.remote.address.bytes,
              ::testing::ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1));
}

TEST_F(SocketRowsTest, CanBeLimitedToAState) {
  Connection connection;
  testing::Listener listener;
  space_.run([&] {
    listener = testing::listen_on(Wire::kIpv6, 8);
    connection = half_closed(Wire::kIpv6, listener, "");
  });
  close_wait_row({.states = bit_of(TcpState::kCloseWait), .tcp_info = false});
  EXPECT_EQ(sink_.rows.size(), 1U);
}

/// The real channel, but for a kernel that does not know the dump of both families.
class FakeOldKernelChannel final : public NetlinkChannel {
 public:
  explicit FakeOldKernelChannel(std::unique_ptr<NetlinkChannel> real) : real_(std::move(real)) {}

  [[nodiscard]] std::uint32_t port_id() const override { return real_->port_id(); }
  [[nodiscard]] std::optional<std::uint64_t> namespace_cookie() const override {
    return real_->namespace_cookie();
  }
  Result<void> send(Bytes request) override {
    const auto header = read_as<nlmsghdr>(request);
    if (header->nlmsg_type != TCPDIAG_GETSOCK) return real_->send(request);
    refusal_ = testing::Datagram({inet_diag::Dump::kBothFamilies, header->nlmsg_seq, port_id()})
                   .refusal(-EINVAL)
                   .bytes();
    return {};
  }
  Result<std::size_t> receive(std::span<std::byte> buffer) override {
    if (refusal_.empty()) return real_->receive(buffer);
    const auto refusal = std::exchange(refusal_, {});
    std::memcpy(buffer.data(), refusal.data(), refusal.size());
    return refusal.size();
  }

 private:
  std::unique_ptr<NetlinkChannel> real_;
  std::vector<std::byte> refusal_;
};

class FakeOldKernelOpener final : public NetlinkOpener {
 public:
  Result<std::unique_ptr<NetlinkChannel>> open(int network_namespace) override {
    return real_->open(network_namespace).map([](std::unique_ptr<NetlinkChannel> channel) {
      return std::unique_ptr<NetlinkChannel>(new FakeOldKernelChannel(std::move(channel)));
    });
  }

 private:
  std::unique_ptr<NetlinkOpener> real_ = std::move(*make_netlink_opener());
};

TEST_F(SocketRowsTest, AreTheSameFromADumpForEachFamily) {
  std::vector<UniqueFd> sockets;
  for (const auto wire : {Wire::kIpv4, Wire::kIpv6, Wire::kMapped}) {
    space_.run([&] {
      for (auto& socket : testing::sockets_in(TcpState::kEstablished, wire, 5)) {
        sockets.push_back(std::move(socket));
      }
    });
  }
  const auto cookies = [&](std::unique_ptr<NetlinkOpener> opener) {
    InetDiagSource source(std::move(opener));
    const auto reading = source.read(space_.open().get(), {}, sink_);
    EXPECT_TRUE(reading) << reading.error().what;
    std::vector<std::uint64_t> found;
    for (const auto& row : sink_.rows) found.push_back(row.cookie);
    std::sort(found.begin(), found.end());
    return found;
  };
  const auto together = cookies(std::move(*make_netlink_opener()));
  EXPECT_EQ(together.size(), 33U);  // 15 connections of two ends, 3 listeners
  EXPECT_EQ(cookies(std::make_unique<FakeOldKernelOpener>()), together);
}

TEST_F(SocketRowsTest, LeaveTheThreadAtHome) {
  const auto own = [] {
    struct stat status {};
    EXPECT_EQ(::stat("/proc/thread-self/ns/net", &status), 0);
    return status.st_ino;
  };
  const auto before = own();
  ASSERT_TRUE(source_.read(space_.open().get(), {}, sink_));
  EXPECT_EQ(own(), before);
}

TEST_F(SocketRowsTest, AreRefusedForWhatIsNoNamespace) {
  auto file = open_at(kWorkingDirectory, "/dev/null", 0);
  ASSERT_TRUE(file);
  const auto reading = source_.read(file->get(), {}, sink_);
  ASSERT_FALSE(reading);
  EXPECT_THAT(reading.error().what, ::testing::HasSubstr("entering a network namespace"));
}

}  // namespace
}  // namespace closewatch
