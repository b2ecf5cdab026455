// SPDX-License-Identifier: Apache-2.0
#include "http/listening_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/http/open_listeners.h"
#include "http/socket_address.h"

namespace closewatch::http {
namespace {

using testing::HasSubstr;

class UnixSocket : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  [[nodiscard]] bool can_connect() const {
    const auto address = SocketAddress::of({.path = path_});
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM, 0));
    return ::connect(client.get(), address->data(), address->size()) == 0;
  }

  std::string path_ = testing::TempDir() + "closewatch-" + std::to_string(::getpid()) + ".sock";
};

TEST_F(UnixSocket, IsRootsAloneAndGoesWithItsFile) {
  {
    const auto socket = ListeningSocket::open({.path = path_});
    ASSERT_TRUE(socket) << socket.error().what;
    EXPECT_EQ(to_text(socket->address()), "unix:" + path_);
    struct stat file {};
    ASSERT_EQ(::stat(path_.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U);
    EXPECT_TRUE(can_connect());
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocket, ReplacesWhatAnAgentHasLeftThatWasKilled) {
  {
    const auto address = SocketAddress::of({.path = path_});
    const UniqueFd left(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(left.get(), address->data(), address->size()), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  const auto socket = ListeningSocket::open({.path = path_});
  ASSERT_TRUE(socket) << socket.error().what;
  EXPECT_TRUE(can_connect());
}

TEST_F(UnixSocket, TakesNoPlaceFromWhoListens) {
  const auto first = ListeningSocket::open({.path = path_});
  ASSERT_TRUE(first);
  const auto second = ListeningSocket::open({.path = path_});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().what, HasSubstr("another program does"));
  EXPECT_TRUE(can_connect()) << "and leaves its file";
}

TEST_F(UnixSocket, ReplacesNoFileOfAnotherKind) {
  ASSERT_EQ(::mknod(path_.c_str(), S_IFREG | 0600, 0), 0);
  EXPECT_FALSE(ListeningSocket::open({.path = path_}));
  EXPECT_TRUE(std::filesystem::is_regular_file(path_));
}

TEST_F(UnixSocket, OfTheServiceManagerKeepsItsFile) {
  const auto address = SocketAddress::of({.path = path_});
  UniqueFd managers(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(managers.get(), address->data(), address->size()), 0);
  ASSERT_EQ(::listen(managers.get(), 1), 0);
  {
    const auto socket = ListeningSocket::adopt(std::move(managers));
    ASSERT_TRUE(socket) << socket.error().what;
    EXPECT_EQ(to_text(socket->address()), "unix:" + path_);
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

/// As of a process that serves in another one.
TEST_F(UnixSocket, StaysWithWhoeverHasOpenedIt) {
  {
    auto opened = OpenListeners::open({.addresses = {{.path = path_}}});
    ASSERT_TRUE(opened);
    auto moved = std::move(*opened);
    const auto sockets = moved.take();
    ASSERT_EQ(sockets.size(), 1U);
    const UniqueFd served(sockets.front());
    EXPECT_TRUE(can_connect());
    EXPECT_TRUE(moved.take().empty());
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST(ListeningSocket, TellsThePortThatTheKernelChose) {
  for (const auto* const host : {"127.0.0.1", "", "::1"}) {
    const auto socket = ListeningSocket::open({host, 0});
    ASSERT_TRUE(socket) << socket.error().what;
    EXPECT_EQ(socket->address().host, host);
    EXPECT_NE(socket->address().port, 0);
  }
}

TEST(ListeningSocket, SendsARecordWithoutWaitingForTheLastToArrive) {
  const auto opened = ListeningSocket::open({"127.0.0.1", 0});
  ASSERT_TRUE(opened);
  UniqueFd managers(::socket(AF_INET, SOCK_STREAM, 0));
  ASSERT_EQ(::listen(managers.get(), 1), 0);
  const auto adopted = ListeningSocket::adopt(std::move(managers));
  ASSERT_TRUE(adopted) << adopted.error().what;
  for (const int fd : {opened->fd(), adopted->fd()}) {
    int on = 0;
    socklen_t size = sizeof(on);
    ASSERT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    EXPECT_EQ(on, 1);
  }
}

TEST(ListeningSocket, AdoptsNothingThatDoesNotListen) {
  EXPECT_FALSE(ListeningSocket::adopt(UniqueFd(::socket(AF_INET, SOCK_STREAM, 0))));
  EXPECT_FALSE(ListeningSocket::adopt(UniqueFd(::socket(AF_INET, SOCK_DGRAM, 0))));
  EXPECT_FALSE(ListeningSocket::adopt(UniqueFd(::dup(STDERR_FILENO))));
  EXPECT_FALSE(ListeningSocket::adopt(UniqueFd(9999)));
}

}  // namespace
}  // namespace closewatch::http
