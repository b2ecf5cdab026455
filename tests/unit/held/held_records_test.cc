// SPDX-License-Identifier: Apache-2.0
#include "held/held_records.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

held_record record(std::uint64_t socket, std::string_view comm = "java") {
  held_record record{};
  record.socket = socket;
  record.cgroup = 77;
  record.inode = 4711;
  record.space = 4026531840;
  record.sequence = 99;
  record.pid = 42;
  record.state = static_cast<held_u8>(TcpState::kClose);
  record.local_port = htons(40'000);
  record.remote_port = htons(443);
  std::copy(comm.begin(), comm.end(), std::begin(record.comm));
  constexpr std::array<std::uint8_t, 4> kRemote = {10, 0, 0, 9};
  std::copy(kRemote.begin(), kRemote.end(), std::begin(record.remote));
  return record;
}

Bytes bytes_of(std::span<const held_record> records) { return std::as_bytes(records); }

TEST(HeldRecords, TellWhatTheSocketWas) {
  HeldRecords records;
  const std::array told = {record(1)};
  ASSERT_TRUE(records.take(bytes_of(told)));
  const auto found = std::move(records).result();
  ASSERT_TRUE(found) << found.error().what;
  ASSERT_EQ(found->size(), 1U);
  const auto& socket = found->front();
  EXPECT_EQ(socket.row.state, TcpState::kClose);
  EXPECT_EQ(socket.row.local, (Endpoint{{AddressFamily::kIpv4, {}}, 40'000}));
  EXPECT_EQ(socket.row.remote, (Endpoint{{AddressFamily::kIpv4, {10, 0, 0, 9}}, 443}));
  EXPECT_EQ(socket.row.inode, 4711U);
  EXPECT_EQ(socket.row.cgroup_id, 77U);
  EXPECT_EQ(socket.space, 4026531840U);
  EXPECT_EQ(socket.pid, 42);
  EXPECT_EQ(socket.comm, "java");
}

TEST(HeldRecords, TellWhoBeganTheConnectionAndWhetherItIsOver) {
  HeldRecords records;
  std::array told = {record(1), record(2), record(3)};
  told[0].state = static_cast<held_u8>(TcpState::kLastAck);
  told[1].origin = HELD_BOUND_PORT;
  told[2].origin = HELD_ACCEPTED;
  ASSERT_TRUE(records.take(bytes_of(told)));
  const auto found = *std::move(records).result();
  EXPECT_EQ(found[0].row.state, TcpState::kLastAck);
  EXPECT_EQ(found[0].row.binding.port, false);
  EXPECT_FALSE(found[0].accepted);
  EXPECT_EQ(found[1].row.state, TcpState::kClose);
  EXPECT_EQ(found[1].row.binding.port, true);
  EXPECT_TRUE(found[2].accepted);
}

TEST(HeldRecords, TellEachSocketOnceHoweverItComes) {
  auto again = record(1, "a\xff worker-with-16");
  const std::array told = {record(1), record(2), again, record(3)};
  const auto bytes = bytes_of(told);
  for (std::size_t piece = 1; piece <= bytes.size(); piece += 7) {
    HeldRecords records;
    for (std::size_t begin = 0; begin < bytes.size(); begin += piece) {
      ASSERT_TRUE(records.take(bytes.subspan(begin, std::min(piece, bytes.size() - begin))));
    }
    const auto found = std::move(records).result();
    ASSERT_TRUE(found) << found.error().what;
    ASSERT_EQ(found->size(), 3U) << piece;
    EXPECT_EQ(found->front().comm, "java");
  }
}

TEST(HeldRecords, OfANameWithoutAnEndAreReadToTheirOwn) {
  HeldRecords records;
  const std::array told = {record(1, "sixteen bytes\xff!!")};
  ASSERT_TRUE(records.take(bytes_of(told)));
  EXPECT_EQ(std::move(records).result()->front().comm, "sixteen bytes?!!");
}

TEST(HeldRecords, ThatAreCutAreNone) {
  HeldRecords records;
  const std::array told = {record(1), record(2)};
  const auto bytes = bytes_of(told);
  ASSERT_TRUE(records.take(bytes.first(bytes.size() - 1)));
  const auto found = std::move(records).result();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::kMalformed);
}

TEST(HeldRecords, AreBounded) {
  HeldRecords records(2);
  const std::array told = {record(1), record(2), record(1)};
  ASSERT_TRUE(records.take(bytes_of(told)));
  const std::array one_more = {record(3)};
  const auto taken = records.take(bytes_of(one_more));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::kOverLimit);
}

TEST(HeldRecords, AnotherSocketAtTheSameAddressIsAnother) {
  const auto cookie = [](const held_record& told) {
    HeldRecords records;
    EXPECT_TRUE(records.take(bytes_of({&told, 1})));
    return std::move(records).result()->front().row.cookie;
  };
  auto other = record(1);
  EXPECT_EQ(cookie(record(1)), cookie(other));
  other.inode = 4712;
  EXPECT_NE(cookie(record(1)), cookie(other));
  other = record(1);
  other.sequence = 100;
  EXPECT_NE(cookie(record(1)), cookie(other));
}

}  // namespace
}  // namespace closewatch
