// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/contradiction.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

Endpoint at(std::uint8_t last, std::uint16_t port) {
  return {{AddressFamily::kIpv4, {10, 0, 0, last}}, port};
}

SocketRow socket(TcpState state, std::uint64_t cookie, std::uint8_t peer = 9) {
  SocketRow row;
  row.state = state;
  row.cookie = cookie;
  row.local = at(1, 8080);
  row.remote = at(peer, static_cast<std::uint16_t>(40'000 + cookie));
  row.inode = static_cast<std::uint32_t>(100 + cookie);
  row.receive_queue = 1;
  row.cgroup_id = 77;
  return row;
}

/// Ten in CLOSE_WAIT, a listener, five established.
class ContradictionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t i = 1; i <= 10; ++i) rows_.push_back(socket(TcpState::kCloseWait, i));
    rows_.push_back(socket(TcpState::kListen, 11));
    for (std::uint64_t i = 12; i <= 16; ++i) rows_.push_back(socket(TcpState::kEstablished, i));
  }

  static NamespaceRecord record_of(const std::vector<SocketRow>& rows,
                                   std::size_t most = NamespaceRecord::kMost) {
    NamespaceRecord record(most);
    for (const auto& row : rows) record.row(row);
    return record;
  }
  /// As bpf tells it: names of its own, and most only counted.
  static NamespaceRecord told(const std::vector<SocketRow>& rows,
                              std::size_t most = NamespaceRecord::kMost) {
    NamespaceRecord record(most);
    for (auto row : rows) {
      row.cookie += 1'000;
      if (row.state == TcpState::kCloseWait || row.state == TcpState::kListen) {
        record.row(row);
      } else {
        record.count({row.state, 1, std::nullopt});
      }
    }
    return record;
  }
  /// What is found when bpf tells what `change` makes of the truth.
  std::optional<std::string> found(const std::function<void(std::vector<SocketRow>&)>& change,
                                   bool silent = false) const {
    auto changed = rows_;
    change(changed);
    return find_contradiction({record_of(rows_), told(changed), record_of(rows_), silent});
  }

  std::vector<SocketRow> rows_;
};

TEST_F(ContradictionTest, TheTruthHasNone) {
  EXPECT_EQ(found([](auto&) {}), std::nullopt);
  EXPECT_EQ(found([](auto&) {}, true), std::nullopt);
}

TEST_F(ContradictionTest, ASocketThatStayedMayNotBeMissing) {
  EXPECT_THAT(
      found([](auto& rows) { rows.erase(rows.begin()); }),
      Optional(HasSubstr("close_wait 10.0.0.1:8080 - 10.0.0.9:40001 inet_diag says: receive "
                         "queue 1, inode 101, cgroup 77; bpf says: there is none")));
  EXPECT_THAT(found([](auto& rows) { rows.pop_back(); }),
              Optional(HasSubstr("established inet_diag says 5 before and 5 after, of which 5 are "
                                 "the same; bpf says 4")));
}

TEST_F(ContradictionTest, ItsFieldsAreThoseThatItHad) {
  EXPECT_TRUE(found([](auto& rows) { rows[0].remote.port += 1; }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].local.address.bytes[3] = 2; }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].inode = 0; }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].cgroup_id = 78; }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].cgroup_id.reset(); }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].receive_queue = 0; }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].receive_queue = 2; }));
  EXPECT_TRUE(found([](auto& rows) { rows[0].state = TcpState::kLastAck; }));
  EXPECT_TRUE(found([](auto& rows) { rows[10].send_queue = 3; }));
}

TEST_F(ContradictionTest, AccepQueuesComeAndGoUnlessNothingHas) {
  const auto longer = [](auto& rows) { rows[10].receive_queue = 5; };
  EXPECT_EQ(found(longer), std::nullopt);
  EXPECT_TRUE(found(longer, true));
}

TEST_F(ContradictionTest, MoreThanThereIsShowsWhereNothingCameOrWent) {
  const auto one_more = [](auto& rows) { rows.push_back(socket(TcpState::kTimeWait, 17)); };
  EXPECT_EQ(found(one_more), std::nullopt) << "it may have come and gone";
  EXPECT_THAT(found(one_more, true), Optional(HasSubstr("time_wait inet_diag says 0 before")));
  // inet_diag itself saw something change.
  auto after = rows_;
  after.pop_back();
  auto with_one_more = rows_;
  one_more(with_one_more);
  EXPECT_EQ(find_contradiction({record_of(rows_), told(with_one_more), record_of(after), true}),
            std::nullopt);
}

TEST_F(ContradictionTest, WhatComesAndGoesIsNone) {
  auto before = rows_;
  auto after = rows_;
  before.erase(before.begin(), before.begin() + 2);   // these two have come
  after.erase(after.begin() + 5, after.begin() + 7);  // and these have gone
  after[0].receive_queue = 0;                         // one has been read,
  before[3].inode = 0;                                // one has been accepted
  auto between = rows_;
  between.erase(between.begin() + 5);
  EXPECT_EQ(find_contradiction({record_of(before), told(between), record_of(after), false}),
            std::nullopt);
  EXPECT_EQ(find_contradiction({record_of(before), told(rows_), record_of(after), false}),
            std::nullopt);
}

TEST_F(ContradictionTest, ListenersOfOneAddressAreToldApartByNothing) {
  auto second = rows_[10];
  second.cookie = 99;
  second.inode = 500;
  rows_.push_back(second);
  EXPECT_EQ(found([](auto& rows) { std::swap(rows[10], rows.back()); }), std::nullopt);
  EXPECT_TRUE(found([](auto& rows) { rows.back().inode = 501; }));
}

TEST_F(ContradictionTest, AnAddressThatIsMappedIsTheSame) {
  EXPECT_EQ(found([](auto& rows) {
              for (auto* end : {&rows[0].local, &rows[0].remote}) {
                const auto four = end->address.bytes;
                end->address = {
                    AddressFamily::kIpv6,
                    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, four[0], four[1], four[2], four[3]}};
              }
            }),
            std::nullopt);
}

TEST_F(ContradictionTest, WithMptcpOnlyListenersAreCompared) {
  auto told_rows = rows_;
  told_rows.erase(told_rows.begin(), told_rows.begin() + 2);
  told_rows.pop_back();
  EXPECT_EQ(find_contradiction({record_of(rows_), told(told_rows), record_of(rows_), true, true}),
            std::nullopt);
  told_rows = rows_;
  told_rows[10].inode = 0;
  EXPECT_TRUE(
      find_contradiction({record_of(rows_), told(told_rows), record_of(rows_), true, true}));
}

TEST_F(ContradictionTest, OfTooManyTheSamePartIsCompared) {
  constexpr std::size_t kMost = 64;
  std::vector<SocketRow> rows;
  for (std::uint64_t i = 1; i <= 1'000; ++i) rows.push_back(socket(TcpState::kCloseWait, i));
  const auto before = record_of(rows, kMost);
  EXPECT_LE(before.rows().size(), kMost);
  EXPECT_GT(before.rows().size(), 0U);
  EXPECT_FALSE(before.knows_all());
  EXPECT_EQ(find_contradiction({before, told(rows, kMost), before, true}), std::nullopt);
  EXPECT_EQ(find_contradiction({before, told(rows), before, true}), std::nullopt);
  for (auto& row : rows) row.inode += 1;
  EXPECT_TRUE(find_contradiction({before, told(rows, kMost), before, true}));
}

}  // namespace
}  // namespace closewatch
