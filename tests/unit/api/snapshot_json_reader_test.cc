// SPDX-License-Identifier: Apache-2.0
#include "closewatch/api/snapshot_json_reader.h"

#include "tests/support/fake_clock.h"
#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/api/snapshot_json.h"

namespace closewatch {
namespace {

using ::testing::HasSubstr;
using testing::sample_snapshot;

TEST(SnapshotJsonReader, ReadsWhatTheWriterWrites) {
  const auto snapshot = testing::ambient_snapshot();
  testing::FakeClock clock;
  clock.wall = snapshot.taken_at + std::chrono::seconds(4);
  const auto text = snapshot_json(snapshot, {}, snapshot.taken_at_steady);
  const auto read = read_snapshot_json(text, clock);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(snapshot_json(*read, {}, read->taken_at_steady), text);
  EXPECT_EQ(read->taken_at_steady, clock.steady - std::chrono::seconds(4));
}

TEST(SnapshotJsonReader, ReadsAStaleSnapshotAndANodeThatIsNotSeen) {
  auto snapshot = sample_snapshot();
  snapshot.node.reset();
  const auto text = snapshot_json(snapshot, {}, snapshot.taken_at_steady + 4 * snapshot.interval);
  const auto read = read_snapshot_json(text, testing::FakeClock());
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_FALSE(read->node);
  for (const auto& pod : read->pods) EXPECT_EQ(pod.visibility, Visibility::kStale);
}

TEST(SnapshotJsonReader, ReadsAListOfSockets) {
  const auto snapshot = testing::ambient_snapshot();
  auto listing =
      list_sockets(find_namesakes(snapshot, "shop", "cart-0"), [](const Pod&, const auto&) {
        SocketOwnerList owners;
        owners.by_inode[4711] = {77, "java", 0};
        return owners;
      });
  listing.sockets[1].socket.remote.address = {AddressFamily::kIpv6, {0xfd, 0, 0, 1}};
  const auto text = listing_json(snapshot, listing);
  const auto read = read_listing_json(text);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(listing_json(snapshot, *read), text);
  EXPECT_TRUE(read->cut());
}

TEST(SnapshotJsonReader, RefusesTimesThatDoNotFit) {
  const auto snapshot = sample_snapshot();
  const auto good = snapshot_json(snapshot, {}, snapshot.taken_at_steady);
  const testing::FakeClock clock;
  ASSERT_TRUE(read_snapshot_json(good, clock));
  const auto with = [&](const std::string& key, const std::string& value) {
    auto text = good;
    const auto at = text.find("\"" + key + "\":") + key.size() + 3;
    text.replace(at, text.find_first_of(",}", at) - at, value);
    return text;
  };
  for (const auto* const value : {"1e300", "-1e300", "1e10", "-1"}) {
    for (const auto* const key : {"interval_seconds", "duration_seconds", "stuck_after_seconds"}) {
      EXPECT_FALSE(read_snapshot_json(with(key, value), clock)) << key << " " << value;
    }
  }
  for (const auto* const time : {R"("9999-01-01T00:00:00.000Z")", R"("0001-01-01T00:00:00.000Z")",
                                 R"("2026-01-01T00:00:00.2000000000Z")"}) {
    EXPECT_FALSE(read_snapshot_json(with("taken_at", time), clock)) << time;
  }
}

/// Who answers may be anybody, and what is read goes to a terminal.
TEST(SnapshotJsonReader, TakesNoTextThatCouldMoveATerminalsCursor) {
  auto snapshot = sample_snapshot();
  snapshot.pods.front().name = "a\x1b[2Jb";
  const auto text = snapshot_json(snapshot, {}, snapshot.taken_at_steady);
  const auto read = read_snapshot_json(text, testing::FakeClock());
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->pods.front().name, "a?[2Jb");
}

TEST(SnapshotJsonReader, RefusesAnythingElse) {
  const auto snapshot = sample_snapshot();
  const auto good = snapshot_json(snapshot, {}, snapshot.taken_at_steady);
  const testing::FakeClock clock;
  for (std::size_t length = 0; length + 1 < good.size(); length += 7) {
    EXPECT_FALSE(read_snapshot_json(good.substr(0, length), clock)) << length;
  }
  for (const auto* const text :
       {"{}", "[]", "null", "<html>", R"({"scan":1,"node":{},"pods":[]})"}) {
    const auto read = read_snapshot_json(text, clock);
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().what, HasSubstr("not what a closewatch agent tells"));
    EXPECT_FALSE(read_listing_json(text));
  }
}

}  // namespace
}  // namespace closewatch
