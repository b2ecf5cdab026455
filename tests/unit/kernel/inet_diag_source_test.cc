// SPDX-License-Identifier: Apache-2.0
#include "kernel/inet_diag_source.h"

#include <cerrno>
#include <deque>
#include <memory>
#include <utility>

#include "tests/support/collecting_sink.h"
#include "tests/unit/kernel/netlink_messages.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using inet_diag::Dump;
using inet_diag::Exchange;
using testing::CollectingSink;
using testing::Datagram;
using testing::kCloseWaitState;
using testing::socket_message;

constexpr std::uint32_t kPortId = 4242;
constexpr std::uint64_t kNamespaceCookie = 77;

/// What the fake kernel answers to one dump: datagrams, given what was asked.
using Datagrams = std::vector<std::vector<std::byte>>;
using Answer = std::function<Datagrams(const Exchange&)>;

/// A kernel that answers by script: one answer for each request.
struct FakeKernel {
  std::deque<Answer> answers;
  std::vector<std::uint16_t> asked;  ///< the types of the requests
  std::deque<Answer> mptcp;          ///< likewise to requests for MPTCP; refuses when there is none
  std::size_t asked_for_mptcp = 0;
  std::size_t opened = 0;
};

Answer next_of(std::deque<Answer>& answers) {
  if (answers.empty()) {
    return [](const Exchange& exchange) {
      return Datagrams{Datagram(exchange).refusal(-ENOENT).bytes()};
    };
  }
  auto next = std::move(answers.front());
  answers.pop_front();
  return next;
}

class FakeChannel final : public NetlinkChannel {
 public:
  explicit FakeChannel(FakeKernel& kernel) : kernel_(kernel) {}

  [[nodiscard]] std::uint32_t port_id() const override { return kPortId; }
  [[nodiscard]] std::optional<std::uint64_t> namespace_cookie() const override {
    return kNamespaceCookie;
  }

  Result<void> send(Bytes request) override {
    const auto header = read_as<nlmsghdr>(request);
    const auto family = *read_as<std::uint8_t>(request.subspan(NLMSG_HDRLEN));
    const auto protocol = *read_as<std::uint8_t>(request.subspan(NLMSG_HDRLEN + 1));
    next_ = 0;
    if (header->nlmsg_type != TCPDIAG_GETSOCK && protocol != IPPROTO_TCP) {
      ++kernel_.asked_for_mptcp;
      const auto dump = family == AF_INET ? Dump::kMptcpIpv4 : Dump::kMptcpIpv6;
      datagrams_ = next_of(kernel_.mptcp)({dump, header->nlmsg_seq, kPortId});
      return {};
    }
    kernel_.asked.push_back(header->nlmsg_type);
    const auto dump = header->nlmsg_type == TCPDIAG_GETSOCK ? Dump::kBothFamilies
                      : family == AF_INET                   ? Dump::kIpv4
                                                            : Dump::kIpv6;
    datagrams_ = next_of(kernel_.answers)({dump, header->nlmsg_seq, kPortId});
    return {};
  }

  Result<std::size_t> receive(std::span<std::byte> buffer) override {
    if (next_ == datagrams_.size()) return fail(ErrorKind::kSystem, "nothing comes");
    const auto& datagram = datagrams_[next_++];
    std::memcpy(buffer.data(), datagram.data(), datagram.size());
    return datagram.size();
  }

 private:
  FakeKernel& kernel_;
  Datagrams datagrams_;
  std::size_t next_ = 0;
};

class FakeOpener final : public NetlinkOpener {
 public:
  explicit FakeOpener(FakeKernel& kernel) : kernel_(kernel) {}
  Result<std::unique_ptr<NetlinkChannel>> open(int) override {
    ++kernel_.opened;
    return std::make_unique<FakeChannel>(kernel_);
  }

 private:
  FakeKernel& kernel_;
};

inet_diag_msg socket_with(std::uint64_t cookie, std::uint8_t state = kCloseWaitState) {
  auto message = socket_message(state);
  message.id.idiag_cookie[0] = static_cast<std::uint32_t>(cookie);
  message.id.idiag_cookie[1] = static_cast<std::uint32_t>(cookie >> 32U);
  return message;
}

/// So many sockets, with the cookies from `first` on.
Answer rows(std::size_t count, std::uint64_t first = 1) {
  return [=](const Exchange& exchange) {
    Datagram datagram(exchange);
    for (std::size_t i = 0; i < count; ++i) datagram.row(socket_with(first + i));
    const auto done = Datagram(exchange).done().bytes();
    return count == 0 ? Datagrams{done} : Datagrams{datagram.bytes(), done};
  };
}

Answer refusal(int error) {
  return [error](const Exchange& exchange) {
    return Datagrams{Datagram(exchange).refusal(-error).bytes()};
  };
}

/// One row, then a message that says that the table changed.
Answer interruption() {
  return [](const Exchange& exchange) {
    Datagram datagram(exchange);
    datagram.row(socket_message(kCloseWaitState)).done();
    datagram.last_header().nlmsg_flags |= NLM_F_DUMP_INTR;
    return Datagrams{datagram.bytes()};
  };
}

class InetDiagSourceTest : public ::testing::Test {
 protected:
  Result<SocketReading> read() { return source_.read(-1, SocketQuery{}, sink_); }

  FakeKernel kernel_;
  CollectingSink sink_;
  InetDiagSource source_{std::make_unique<FakeOpener>(kernel_)};
};

TEST_F(InetDiagSourceTest, ReadsBothFamiliesInOneDump) {
  kernel_.answers = {rows(3)};
  const auto reading = read();
  ASSERT_TRUE(reading) << reading.error().what;
  EXPECT_EQ(sink_.rows.size(), 3U);
  EXPECT_EQ(reading->namespace_cookie, kNamespaceCookie);
  EXPECT_EQ(kernel_.opened, 1U);
}

TEST_F(InetDiagSourceTest, TakesAFreshSocketForEachRepeatAndDropsWhatItHad) {
  kernel_.answers = {interruption(), interruption(), rows(2)};
  const auto reading = read();
  ASSERT_TRUE(reading) << reading.error().what;
  EXPECT_EQ(sink_.rows.size(), 2U);
  EXPECT_EQ(sink_.restarts, 3U);
  EXPECT_EQ(kernel_.opened, 3U);
}

TEST_F(InetDiagSourceTest, GivesUpAfterTheAllowedRepeats) {
  for (unsigned i = 0; i <= InetDiagSource::kMaxRepeats; ++i) {
    kernel_.answers.push_back(interruption());
  }
  const auto reading = read();
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kInterrupted);
  EXPECT_EQ(kernel_.opened, InetDiagSource::kMaxRepeats + 1);
}

TEST_F(InetDiagSourceTest, FallsBackToADumpForEachFamilyForGood) {
  kernel_.answers = {refusal(EINVAL), rows(2), rows(1, 3), rows(4), rows(0)};
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 3U);
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 4U);
  EXPECT_THAT(kernel_.asked, ::testing::ElementsAre(18, 20, 20, 20, 20));
}

TEST_F(InetDiagSourceTest, TakesAKernelWithoutIpv6AsOneWithoutIpv6Sockets) {
  kernel_.answers = {refusal(ENOENT), rows(2), refusal(ENOENT)};
  const auto reading = read();
  ASSERT_TRUE(reading) << reading.error().what;
  EXPECT_EQ(sink_.rows.size(), 2U);
}

TEST_F(InetDiagSourceTest, SaysWhenTheKernelHasNoTcpDiagAndAsksAgainNextTime) {
  kernel_.answers = {refusal(ENOENT), refusal(ENOENT), rows(1)};
  const auto reading = read();
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(reading.error().what, ::testing::HasSubstr("modprobe tcp_diag"));
  EXPECT_TRUE(read());
}

TEST_F(InetDiagSourceTest, DoesNotTakeARefusedPrivilegeForAMissingFeature) {
  kernel_.answers = {refusal(EPERM)};
  const auto reading = read();
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kDenied);
}

TEST_F(InetDiagSourceTest, ASocketThatIsToldAgainCountsOnce) {
  constexpr std::uint8_t kTimeWaitState = 6;
  kernel_.answers = {[](const Exchange& exchange) {
    return Datagrams{
        Datagram(exchange).row(socket_with(1)).row(socket_with(std::uint64_t{1} << 32U)).bytes(),
        // It became a TIME_WAIT meanwhile, which has its cookie.
        Datagram(exchange).row(socket_with(1, kTimeWaitState)).row(socket_with(2)).bytes(),
        Datagram(exchange).done().bytes()};
  }};
  ASSERT_TRUE(read());
  ASSERT_EQ(sink_.rows.size(), 3U);
  EXPECT_EQ(sink_.rows[0].state, TcpState::kCloseWait);
  EXPECT_EQ(sink_.rows[2].cookie, 2U);
}

TEST_F(InetDiagSourceTest, WhatAnotherReadingToldIsToldAnew) {
  kernel_.answers = {rows(3), rows(3)};
  ASSERT_TRUE(read());
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 3U);
}

/// A connection's message or its subflow's, by the ports.
inet_diag_msg between(std::uint16_t local, std::uint16_t remote, std::uint8_t state,
                      std::uint64_t cookie, std::uint32_t inode = 0) {
  auto message = socket_with(cookie, state);
  message.id.idiag_sport = htons(local);
  message.id.idiag_dport = htons(remote);
  message.idiag_inode = inode;
  return message;
}

Answer messages(std::vector<inet_diag_msg> messages) {
  return [messages = std::move(messages)](const Exchange& exchange) {
    Datagram datagram(exchange);
    for (const auto& message : messages) datagram.row(message);
    return Datagrams{datagram.done().bytes()};
  };
}

constexpr std::uint8_t kEstablishedState = 1;
constexpr std::uint8_t kListenState = 10;

TEST_F(InetDiagSourceTest, AConnectionOfMptcpStandsForItsSubflows) {
  auto connection = between(443, 1, kCloseWaitState, 10, 77);
  connection.idiag_rqueue = 4832;
  kernel_.mptcp = {messages({connection, between(443, 2, kCloseWaitState, 11)}), rows(0)};
  kernel_.answers = {messages({
      between(443, 0, kListenState, 1, 70), between(443, 1, kEstablishedState, 2, 77),
      between(443, 9, kEstablishedState, 3, 77),  // a further subflow
      between(443, 3, kEstablishedState, 4, 78),  // TCP's own
  })};
  ASSERT_TRUE(read());
  ASSERT_EQ(sink_.rows.size(), 4U);
  EXPECT_EQ(sink_.rows[0].state, TcpState::kListen);
  EXPECT_EQ(sink_.rows[1].cookie, 10U);
  EXPECT_EQ(sink_.rows[1].state, TcpState::kCloseWait);
  EXPECT_EQ(sink_.rows[1].receive_queue, 4833U);  // with the FIN
  EXPECT_EQ(sink_.rows[2].cookie, 4U);
  EXPECT_EQ(sink_.rows[3].cookie, 11U);  // without any subflow
  EXPECT_EQ(sink_.rows[3].receive_queue, 0U);
}

TEST_F(InetDiagSourceTest, OfMptcpTheStatesAreThoseOfTheConnections) {
  kernel_.mptcp = {messages({between(443, 1, kCloseWaitState, 10)}), rows(0)};
  kernel_.answers = {messages({between(443, 1, kEstablishedState, 2)})};
  ASSERT_TRUE(source_.read(-1, {.states = bit_of(TcpState::kEstablished)}, sink_));
  EXPECT_TRUE(sink_.rows.empty());
}

TEST_F(InetDiagSourceTest, AsksNoMoreForMptcpWhereItIsRefused) {
  kernel_.answers = {rows(1), rows(1)};
  ASSERT_TRUE(read());
  ASSERT_TRUE(read());
  EXPECT_EQ(kernel_.asked_for_mptcp, 1U);
}

TEST_F(InetDiagSourceTest, MptcpThatCannotBeReadIsNoReading) {
  kernel_.mptcp = {refusal(EPERM)};
  kernel_.answers = {rows(1)};
  EXPECT_FALSE(read());
}

TEST(RecentCookiesTest, KnowsTheLastOnesForCertain) {
  RecentCookies seen;
  constexpr std::uint64_t kMany = 100'000;
  for (std::uint64_t cookie = 1; cookie <= kMany; ++cookie) {
    ASSERT_TRUE(seen.insert(cookie));
    if (cookie < RecentCookies::kAtLeast) continue;
    ASSERT_FALSE(seen.insert(cookie - RecentCookies::kAtLeast + 1));
  }
}

TEST(RecentCookiesTest, ForgetsRatherThanGrows) {
  RecentCookies seen;
  for (std::uint64_t cookie = 1; cookie <= 2 * RecentCookies::kAtLeast; ++cookie) {
    seen.insert(cookie);
  }
  EXPECT_TRUE(seen.insert(1));
}

TEST_F(InetDiagSourceTest, NeverTakesADumpWithoutItsEndForWhole) {
  kernel_.answers = {[](const Exchange& exchange) {
    return Datagrams{Datagram(exchange).row(socket_message(kCloseWaitState)).bytes()};
  }};
  EXPECT_FALSE(read());
}

}  // namespace
}  // namespace closewatch
