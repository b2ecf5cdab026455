// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_event.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::HasSubstr;

TEST(TcpEvents, HaveNamesOfTheirOwnAndCountersOfTheirOwn) {
  std::set<std::string_view> names;
  std::set<std::pair<TcpCounterFile, std::string_view>> counters;
  for (const auto event : kTcpEvents) {
    const auto& described = describe(event);
    EXPECT_EQ(described.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              std::string_view::npos);
    EXPECT_TRUE(names.insert(described.name).second) << described.name;
    EXPECT_TRUE(counters.insert({described.file, described.counter}).second) << described.counter;
    EXPECT_TRUE(described.help.ends_with('.')) << described.name;
  }
}

TEST(TcpEventSet, TakesNamesByCommas) {
  const auto set = TcpEventSet::parse("resets_sent, listen_drops");
  ASSERT_TRUE(set) << set.error().what;
  EXPECT_TRUE(set->has(TcpEvent::kResetsSent));
  EXPECT_TRUE(set->has(TcpEvent::kListenDrops));
  EXPECT_FALSE(set->has(TcpEvent::kListenOverflows));
  EXPECT_TRUE(set->any_in(TcpCounterFile::kSnmp));
  EXPECT_TRUE(set->any_in(TcpCounterFile::kNetstat));
}

TEST(TcpEventSet, KnowsWhichFilesItNeeds) {
  const auto set = TcpEventSet::parse("listen_drops,listen_drops");
  ASSERT_TRUE(set) << set.error().what;
  EXPECT_TRUE(set->any_in(TcpCounterFile::kNetstat));
  EXPECT_FALSE(set->any_in(TcpCounterFile::kSnmp));
}

TEST(TcpEventSet, MayBeEmpty) {
  const auto set = TcpEventSet::parse("");
  ASSERT_TRUE(set) << set.error().what;
  EXPECT_FALSE(set->any());
}

TEST(TcpEventSet, RefusesWhatItDoesNotKnowAndSaysWhatItKnows) {
  for (const auto* const list : {"ListenDrops", "listen_drops,", "listen drops", "*"}) {
    const auto set = TcpEventSet::parse(list);
    ASSERT_FALSE(set) << list;
    EXPECT_EQ(set.error().kind, ErrorKind::kMalformed);
    for (const auto event : kTcpEvents) {
      EXPECT_THAT(set.error().what, HasSubstr(std::string(describe(event).name)));
    }
  }
}

TEST(TcpEventCounts, AddUpWhatIsKnownOfBoth) {
  TcpEventCounts one;
  one.set(TcpEvent::kListenDrops, 3);
  one.set(TcpEvent::kResetsSent, 1);
  TcpEventCounts other;
  other.set(TcpEvent::kListenDrops, 4);
  one.add(other);
  EXPECT_EQ(one.of(TcpEvent::kListenDrops), 7U);
  EXPECT_EQ(one.of(TcpEvent::kResetsSent), std::nullopt);
}

TEST(TcpEventCounts, FallWhereOneIsLower) {
  TcpEventCounts before;
  before.set(TcpEvent::kListenDrops, 3);
  before.set(TcpEvent::kResetsSent, 1);
  auto now = before;
  EXPECT_FALSE(now.falls_below(before));
  now.set(TcpEvent::kListenDrops, 9);
  EXPECT_FALSE(now.falls_below(before));
  now.set(TcpEvent::kResetsSent, 0);
  EXPECT_TRUE(now.falls_below(before));
  EXPECT_FALSE(before.falls_below({}));
}

}  // namespace
}  // namespace closewatch
