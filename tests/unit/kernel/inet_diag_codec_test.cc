// SPDX-License-Identifier: Apache-2.0
#include "kernel/inet_diag_codec.h"

#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "tests/support/collecting_sink.h"
#include "tests/unit/kernel/netlink_messages.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using inet_diag::Dump;
using inet_diag::Exchange;
using inet_diag::Progress;
using testing::attribute;
using testing::CollectingSink;
using testing::Datagram;
using ::testing::HasSubstr;
using testing::kCloseWaitState;
using testing::socket_message;

constexpr Exchange kExchange{Dump::kBothFamilies, 7, 4242};

TEST(EncodeRequest, AsksForBothFamiliesInOneDump) {
  const auto request = inet_diag::encode_request(kExchange, {.states = 0x100, .tcp_info = true});
  const auto header = read_as<nlmsghdr>(request.bytes());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->nlmsg_len, request.size);
  EXPECT_EQ(header->nlmsg_type, TCPDIAG_GETSOCK);
  EXPECT_EQ(header->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
  EXPECT_EQ(header->nlmsg_seq, 7U);
  const auto body = read_as<inet_diag_req>(request.bytes().subspan(NLMSG_HDRLEN));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->idiag_family, AF_UNSPEC);
  EXPECT_EQ(body->idiag_states, 0x100U);
  EXPECT_EQ(body->idiag_ext, 1U << (INET_DIAG_INFO - 1));
}

TEST(EncodeRequest, AsksForOneFamily) {
  const auto request = inet_diag::encode_request({Dump::kIpv6, 7, 4242}, {});
  const auto header = read_as<nlmsghdr>(request.bytes());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->nlmsg_type, 20 /* SOCK_DIAG_BY_FAMILY */);
  const auto body = read_as<inet_diag_req_v2>(request.bytes().subspan(NLMSG_HDRLEN));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->sdiag_family, AF_INET6);
  EXPECT_EQ(body->sdiag_protocol, IPPROTO_TCP);
  EXPECT_EQ(body->idiag_ext, 0);
  EXPECT_EQ(body->idiag_states, SocketQuery::kAllStates);
}

TEST(DecodeDatagram, ReadsEveryFieldOfARow) {
  auto message = socket_message(kCloseWaitState, 8080);
  message.idiag_family = AF_INET6;
  message.id.idiag_dport = htons(51000);
  message.id.idiag_src[3] = htonl(1);
  message.id.idiag_dst[0] = htonl(0x20010db8);
  message.id.idiag_if = 3;
  message.id.idiag_cookie[0] = 0x11223344;
  message.id.idiag_cookie[1] = 0x55;
  message.idiag_inode = 99;
  message.idiag_uid = 1000;
  message.idiag_rqueue = 17;
  message.idiag_wqueue = 18;
  constexpr std::uint64_t kCgroup = 4711;
  tcp_info info{};
  info.tcpi_last_ack_recv = 61'000;
  info.tcpi_last_data_recv = 62'000;
  auto attributes = attribute(INET_DIAG_INFO, &info, sizeof(info));
  const auto cgroup = attribute(21, &kCgroup, sizeof(kCgroup));
  attributes.insert(attributes.end(), cgroup.begin(), cgroup.end());
  inet_diag_sockopt set{};
  set.transparent = 1;
  const auto options = attribute(INET_DIAG_SOCKOPT, &set, sizeof(set));
  attributes.insert(attributes.end(), options.begin(), options.end());

  CollectingSink sink;
  const auto progress = inet_diag::decode_datagram(
      Datagram(kExchange).row(message, attributes).done().bytes(), kExchange, sink);
  ASSERT_TRUE(progress) << progress.error().what;
  EXPECT_EQ(*progress, Progress::kDone);
  ASSERT_EQ(sink.rows.size(), 1U);
  const auto& row = sink.rows.front();
  EXPECT_EQ(row.state, TcpState::kCloseWait);
  EXPECT_EQ(row.local.port, 8080);
  EXPECT_EQ(row.remote.port, 51000);
  EXPECT_EQ(row.local.address.family, AddressFamily::kIpv6);
  EXPECT_EQ(row.local.address.bytes[15], 1);
  EXPECT_EQ(row.remote.address.bytes[0], 0x20);
  EXPECT_EQ(row.remote.address.bytes[3], 0xb8);
  EXPECT_EQ(row.cookie, 0x5511223344U);
  EXPECT_EQ(row.inode, 99U);
  EXPECT_EQ(row.receive_queue, 17U);
  EXPECT_EQ(row.send_queue, 18U);
  EXPECT_EQ(row.cgroup_id, kCgroup);
  EXPECT_EQ(row.last_ack_received_ms, 61'000U);
  EXPECT_EQ(row.binding.transparent, true);
  EXPECT_EQ(row.binding.late_port, false);
  EXPECT_EQ(row.binding.port, std::nullopt);
}

TEST(DecodeDatagram, TellsEachOfTheSocketsOptions) {
  inet_diag_sockopt set{};
  std::memset(&set, 0xFF, sizeof(set));
  set.transparent = 0;
  CollectingSink sink;
  const auto progress = inet_diag::decode_datagram(
      Datagram(kExchange)
          .row(socket_message(kCloseWaitState), attribute(INET_DIAG_SOCKOPT, &set, sizeof(set)))
          .bytes(),
      kExchange, sink);
  ASSERT_TRUE(progress);
  EXPECT_EQ(sink.rows.at(0).binding.transparent, false);
  EXPECT_EQ(sink.rows.at(0).binding.late_port, true);
}

TEST(DecodeDatagram, LeavesUnknownWhatTheKernelDoesNotTell) {
  CollectingSink sink;
  const auto datagram = Datagram(kExchange).row(socket_message(kCloseWaitState)).bytes();
  const auto progress = inet_diag::decode_datagram(datagram, kExchange, sink);
  ASSERT_TRUE(progress);
  EXPECT_EQ(*progress, Progress::kMore);
  ASSERT_EQ(sink.rows.size(), 1U);
  EXPECT_EQ(sink.rows[0].cgroup_id, std::nullopt);
  EXPECT_EQ(sink.rows[0].last_ack_received_ms, std::nullopt);
}

TEST(DecodeDatagram, PassesOverUnknownAttributesAndNoops) {
  constexpr std::uint32_t kAnything = 5;
  CollectingSink sink;
  const auto datagram = Datagram(kExchange)
                            .message(NLMSG_NOOP, {})
                            .row(socket_message(kCloseWaitState), attribute(200, &kAnything, 3))
                            .done()
                            .bytes();
  const auto progress = inet_diag::decode_datagram(datagram, kExchange, sink);
  ASSERT_TRUE(progress) << progress.error().what;
  EXPECT_EQ(sink.rows.size(), 1U);
}

struct Hostile {
  const char* name;
  std::function<Datagram()> make;
  ErrorKind kind;
  const char* says;
};

void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

class HostileDatagram : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileDatagram, IsAnErrorValue) {
  CollectingSink sink;
  const auto datagram = GetParam().make();
  const auto progress = inet_diag::decode_datagram(datagram.bytes(), kExchange, sink);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, GetParam().kind) << progress.error().what;
  EXPECT_THAT(progress.error().what, HasSubstr(GetParam().says));
}

Datagram one_row() { return Datagram(kExchange).row(socket_message(kCloseWaitState)); }

Datagram altered(Datagram datagram, const std::function<void(Datagram&)>& alter) {
  alter(datagram);
  return datagram;
}

Datagram row_with(std::uint8_t family, std::uint8_t state) {
  auto message = socket_message(state);
  message.idiag_family = family;
  return Datagram(kExchange).row(message);
}

Datagram lying_attribute(std::uint16_t length) {
  constexpr std::uint64_t kId = 5;
  auto bytes = attribute(21, &kId, sizeof(kId));
  std::memcpy(bytes.data(), &length, sizeof(length));
  return Datagram(kExchange).row(socket_message(kCloseWaitState), bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Table, HostileDatagram,
    ::testing::Values(
        Hostile{"Empty", [] { return Datagram(kExchange); }, ErrorKind::kMalformed, "empty"},
        Hostile{"ShortHeader", [] { return altered(one_row(), [](auto& d) { d.cut_to(7); }); },
                ErrorKind::kMalformed, "length lies"},
        Hostile{"LengthBelowHeader",
                [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_len = 15; }); },
                ErrorKind::kMalformed, "length lies"},
        Hostile{"LengthZero",
                [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_len = 0; }); },
                ErrorKind::kMalformed, "length lies"},
        Hostile{
            "LengthBeyondDatagram",
            [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_len = 9999; }); },
            ErrorKind::kMalformed, "length lies"},
        Hostile{"LengthNegativeAsInt",
                [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_len = ~0U; }); },
                ErrorKind::kMalformed, "a message's length lies"},
        Hostile{"Truncated",
                [] { return altered(one_row(), [](auto& d) { d.cut_to(d.bytes().size() - 4); }); },
                ErrorKind::kMalformed, "length lies"},
        Hostile{"TrailingBytes", [] { return one_row().trailing(3); }, ErrorKind::kMalformed,
                "length lies"},
        Hostile{"BytesAfterDone", [] { return Datagram(kExchange).done().trailing(4); },
                ErrorKind::kMalformed, "after the end"},
        Hostile{"RowAfterDone",
                [] { return Datagram(kExchange).done().row(socket_message(kCloseWaitState)); },
                ErrorKind::kMalformed, "after the end"},
        Hostile{
            "ShortRow",
            [] { return Datagram(kExchange).message(TCPDIAG_GETSOCK, std::vector<std::byte>(71)); },
            ErrorKind::kMalformed, "socket of 71 bytes"},
        Hostile{"UnknownState", [] { return row_with(AF_INET, 13); }, ErrorKind::kMalformed,
                "unknown state 13"},
        Hostile{"StateZero", [] { return row_with(AF_INET, 0); }, ErrorKind::kMalformed,
                "unknown state 0"},
        Hostile{"UnknownFamily", [] { return row_with(AF_UNIX, kCloseWaitState); },
                ErrorKind::kMalformed, "unknown family"},
        Hostile{"AttributeLongerThanRow", [] { return lying_attribute(13); }, ErrorKind::kMalformed,
                "attribute's length lies"},
        Hostile{"AttributeShorterThanItself", [] { return lying_attribute(3); },
                ErrorKind::kMalformed, "attribute's length lies"},
        Hostile{"ShortCgroupId", [] { return lying_attribute(8); }, ErrorKind::kMalformed,
                "cgroup id of 4 bytes"},
        Hostile{"ShortTcpInfo",
                [] {
                  constexpr std::uint32_t kInfo = 0;
                  return Datagram(kExchange).row(socket_message(kCloseWaitState),
                                                 attribute(INET_DIAG_INFO, &kInfo, sizeof(kInfo)));
                },
                ErrorKind::kMalformed, "tcp_info of 4 bytes"},
        Hostile{"ShortSocketOptions",
                [] {
                  constexpr std::uint8_t kOptions = 0;
                  return Datagram(kExchange).row(
                      socket_message(kCloseWaitState),
                      attribute(INET_DIAG_SOCKOPT, &kOptions, sizeof(kOptions)));
                },
                ErrorKind::kMalformed, "socket options of 1 bytes"},
        Hostile{"UnknownMessage", [] { return Datagram(kExchange).message(99, {}); },
                ErrorKind::kMalformed, "type 99"},
        Hostile{"RowOfAnotherRequest",
                [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_seq = 6; }); },
                ErrorKind::kMalformed, "another request"},
        Hostile{"RowWithoutSequence",
                [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_seq = 0; }); },
                ErrorKind::kMalformed, "another request"},
        Hostile{"RowForAnotherSocket",
                [] { return altered(one_row(), [](auto& d) { d.last_header().nlmsg_pid = 1; }); },
                ErrorKind::kMalformed, "port id"},
        Hostile{"Interrupted",
                [] {
                  return altered(one_row(),
                                 [](auto& d) { d.last_header().nlmsg_flags |= NLM_F_DUMP_INTR; });
                },
                ErrorKind::kInterrupted, "changed during the dump"},
        Hostile{"InterruptedAtDone",
                [] {
                  return altered(Datagram(kExchange).done(),
                                 [](auto& d) { d.last_header().nlmsg_flags |= NLM_F_DUMP_INTR; });
                },
                ErrorKind::kInterrupted, "changed during the dump"},
        Hostile{"DoneWithError", [] { return Datagram(kExchange).done(-ENOMEM); },
                ErrorKind::kSystem, "Cannot allocate memory"},
        Hostile{"DoneWithNoErrorNumber",
                [] { return Datagram(kExchange).done(std::numeric_limits<std::int32_t>::min()); },
                ErrorKind::kMalformed, "no error number"},
        Hostile{"RefusalWithNoErrorNumber", [] { return Datagram(kExchange).refusal(-4096); },
                ErrorKind::kMalformed, "no error number"},
        Hostile{"DoneWithoutVerdict", [] { return Datagram(kExchange).message(NLMSG_DONE, {}); },
                ErrorKind::kMalformed, "without its error number"},
        Hostile{"NoTcpDiag", [] { return Datagram(kExchange).refusal(-ENOENT); },
                ErrorKind::kUnsupported, "modprobe tcp_diag"},
        Hostile{"DoneWithNoTcpDiag", [] { return Datagram(kExchange).done(-ENOENT); },
                ErrorKind::kUnsupported, "modprobe tcp_diag"},
        Hostile{"Denied", [] { return Datagram(kExchange).refusal(-EPERM); }, ErrorKind::kDenied,
                "not permitted"},
        Hostile{"Acknowledged", [] { return Datagram(kExchange).refusal(0); },
                ErrorKind::kMalformed, "nobody asked"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(DecodeDatagram, RefusesABufferThatIsNotAligned) {
  auto shifted = one_row().bytes();
  shifted.insert(shifted.begin(), std::byte{0});
  CollectingSink sink;
  const auto progress = inet_diag::decode_datagram(Bytes(shifted).subspan(1), kExchange, sink);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kMalformed);
}

// Whatever bytes come, the decoder stays within them (the sanitizer presets see to that) and ends.
TEST(DecodeDatagram, SurvivesRandomDamage) {
  constexpr std::uint64_t kCgroup = 4711;
  tcp_info info{};
  auto attributes = attribute(INET_DIAG_INFO, &info, sizeof(info));
  const auto cgroup = attribute(21, &kCgroup, sizeof(kCgroup));
  attributes.insert(attributes.end(), cgroup.begin(), cgroup.end());
  const auto whole = Datagram(kExchange)
                         .row(socket_message(kCloseWaitState), attributes)
                         .row(socket_message(10), attributes)
                         .done()
                         .bytes();
  std::mt19937 random(20231);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same damage in each run
  for (int round = 0; round < 20'000; ++round) {
    auto damaged = whole;
    for (unsigned hits = random() % 4 + 1; hits > 0; --hits) {
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    }
    damaged.resize(random() % damaged.size() + 1);
    CollectingSink sink;
    (void)inet_diag::decode_datagram(damaged, kExchange, sink);
    EXPECT_LE(sink.rows.size(), 2U);
  }
}

}  // namespace
}  // namespace closewatch
