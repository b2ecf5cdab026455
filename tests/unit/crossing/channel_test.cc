// SPDX-License-Identifier: Apache-2.0
#include "crossing/channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace closewatch::crossing {
namespace {

using namespace std::chrono_literals;
using Received = std::vector<std::pair<int, std::string>>;

/// One end is a channel, the other a socket that a test writes to and reads from.
class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    mine_ = UniqueFd(pair[0]);
    other_ = UniqueFd(pair[1]);
  }

  Channel& open(ChannelLimits limits) {
    return channel_.emplace(
        context_, std::move(mine_), limits,
        [this](std::uint8_t kind, std::string_view content) -> Result<void> {
          received_.emplace_back(kind, content);
          if (kind == kWrong) return fail(ErrorKind::kMalformed, "wrong");
          return {};
        },
        [this](const std::string& why) { why_ = why; });
  }

  void write(const std::string& bytes) const {
    ASSERT_EQ(::write(other_.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  template <typename Condition>
  void run_until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!holds() && context_.run_one_until(deadline) > 0) {
    }
    EXPECT_TRUE(holds());
  }

  /// All there is at the other end.
  std::string read_all() {
    std::string bytes(1 << 20, '\0');
    const auto size = ::recv(other_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return bytes;
  }

  static std::string message(int kind, const std::string& content) {
    const auto size = static_cast<std::uint32_t>(content.size() + 1);
    std::string bytes(sizeof(size), '\0');
    std::memcpy(bytes.data(), &size, sizeof(size));
    return bytes + static_cast<char>(kind) + content;
  }

  static constexpr int kWrong = 66;
  static constexpr ChannelLimits kLimits{.bytes = 200'000, .in_second = 1000};

  boost::asio::io_context context_{1};
  UniqueFd mine_;
  UniqueFd other_;
  Received received_;
  std::optional<std::string> why_;
  std::optional<Channel> channel_;  // goes before what it uses
};

TEST_F(ChannelTest, MessagesComeAsTheyWereSent) {
  open(kLimits);
  const std::string longer(90'000, 'x');
  write(message(1, "") + message(2, "ab") + message(3, longer));
  run_until([this] { return received_.size() == 3; });
  EXPECT_EQ(received_, (Received{{1, ""}, {2, "ab"}, {3, longer}}));
}

TEST_F(ChannelTest, WhatIsSentCanBeReceived) {
  auto& channel = open(kLimits);
  channel.send(4, [] { return std::string("hello"); });
  std::string got;
  run_until([&] { return (got += read_all()).size() >= 10; });
  EXPECT_EQ(got, message(4, "hello"));
}

TEST_F(ChannelTest, AMessageThatIsTooLongEndsIt) {
  open({.bytes = 4, .in_second = 1000});
  write(message(1, "abc") + message(1, "abcd"));
  run_until([this] { return why_.has_value(); });
  EXPECT_EQ(received_.size(), 1U);
  EXPECT_EQ(why_, "a message of 5 bytes");
}

TEST_F(ChannelTest, SoDoesOneWithoutAKind) {
  open(kLimits);
  write(std::string(4, '\0'));
  run_until([this] { return why_.has_value(); });
  EXPECT_EQ(why_, "a message of 0 bytes");
}

TEST_F(ChannelTest, SoDoesOneThatIsNotTaken) {
  open(kLimits);
  write(message(kWrong, "") + message(1, ""));
  run_until([this] { return why_.has_value(); });
  EXPECT_EQ(why_, "wrong");
  EXPECT_EQ(received_.size(), 1U);
}

TEST_F(ChannelTest, TheEndOfTheOtherIsNoMistake) {
  open(kLimits);
  other_ = UniqueFd();
  run_until([this] { return why_.has_value(); });
  EXPECT_EQ(why_, "");
}

/// The rest waits in the kernel, and its sender with it.
TEST_F(ChannelTest, NoMoreAreTakenInASecondThanMayBe) {
  open({.bytes = 4, .in_second = 10});
  for (int i = 0; i < 15; ++i) write(message(1, ""));
  const auto begun = std::chrono::steady_clock::now();
  run_until([this] { return received_.size() == 15; });
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 900ms);
}

/// Nobody reads: of each kind the last one waits, and is written when its turn has come.
TEST_F(ChannelTest, WhoeverDoesNotReadCostsNoMemory) {
  auto& channel = open(kLimits);
  const std::string big(4 << 20, 'x');
  int written = 0;
  channel.send(1, [&] { return std::optional(big); });
  for (int i = 0; i < 100; ++i) {
    channel.send(2, [&written, i] {
      ++written;
      return std::to_string(i);
    });
  }
  std::string got;
  run_until([&] { return (got += read_all()).size() >= big.size() + 12; });
  EXPECT_EQ(written, 1);
  EXPECT_EQ(got.substr(got.size() - 7), message(2, "99"));
}

/// A descriptor that comes along is none of the receiver's.
TEST_F(ChannelTest, DescriptorsAreNotTaken) {
  open(kLimits);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  auto bytes = message(1, "");
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  auto* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &pipe[1], sizeof(int));
  ASSERT_GT(::sendmsg(other_.get(), &header, 0), 0);
  ::close(pipe[1]);
  run_until([this] { return received_.size() == 1; });
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0) << "nobody has the writing end any more";
  ::close(pipe[0]);
}

}  // namespace
}  // namespace closewatch::crossing
