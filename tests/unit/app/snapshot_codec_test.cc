// SPDX-License-Identifier: Apache-2.0
#include "closewatch/crossing/snapshot_codec.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>

#include "closewatch/api/snapshot_json.h"
#include "closewatch/metrics/prometheus_text.h"

namespace closewatch::crossing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// A snapshot in which nothing is at its default.
Snapshot full_snapshot() {
  auto snapshot = closewatch::testing::ambient_snapshot();
  snapshot.over_budget = true;
  snapshot.hung_reads = 3;
  snapshot.complaints = {"the cgroup tree", "the API server"};
  snapshot.settings = {.stuck_after = 7s, .peers = 9, .sockets = 11, .held_sockets = false};
  auto& pod = snapshot.pods.at(1);
  pod.trend.record(snapshot.taken_at_steady - 2min, 12, 10min);
  pod.trend.record(snapshot.taken_at_steady, 1201, 10min);
  auto& socket = pod.diagnosis.sockets.front();
  socket.cookie = 99;
  socket.cgroup_id = 77;
  socket.binding = {true, false, std::nullopt, true};
  auto held = *pod.held;
  held.read_at = snapshot.taken_at_steady - 20s;
  held.owners = {{{"istio-system", "ztunnel-x7k2p", "istio-proxy"}, 2, 1}};
  held.sockets = {{socket, 4711, "java"}};
  held.sockets.front().socket.container = kForeignContainer;
  pod.held = std::make_shared<const HeldDiagnosis>(std::move(held));
  return snapshot;
}

TEST(SnapshotCodec, NothingThatIsShownIsLost) {
  const auto snapshot = full_snapshot();
  const auto crossed = decode_snapshot(encode_snapshot(snapshot));
  ASSERT_TRUE(crossed) << crossed.error().what;
  const auto now = snapshot.taken_at_steady + 1s;
  EXPECT_EQ(snapshot_text(**crossed, now, {}), snapshot_text(snapshot, now, {}));
  EXPECT_EQ(snapshot_json(**crossed, {}, now), snapshot_json(snapshot, {}, now));
  const auto& pod = (*crossed)->pods.at(1);
  EXPECT_EQ(pod.trend.points(), snapshot.pods.at(1).trend.points());
  EXPECT_EQ(pod.diagnosis.sockets.front().binding.port, true);
  EXPECT_EQ(pod.diagnosis.sockets.front().binding.transparent, std::nullopt);
  EXPECT_EQ(pod.diagnosis.sockets.front().cookie, 99U);
  EXPECT_EQ(pod.held->sockets.front().comm, "java");
  EXPECT_EQ(pod.held->read_at, snapshot.pods.at(1).held->read_at);
  EXPECT_EQ((*crossed)->taken_at_steady, snapshot.taken_at_steady);
  EXPECT_EQ((*crossed)->complaints, snapshot.complaints);
  EXPECT_EQ((*crossed)->settings.sockets, 11U);
  // And the same bytes again: what one of both ways forgets, the other would not find.
  EXPECT_EQ(encode_snapshot(**crossed), encode_snapshot(snapshot));
}

TEST(SnapshotCodec, NoPartOfOneIsASnapshot) {
  const auto bytes = encode_snapshot(full_snapshot());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_FALSE(decode_snapshot(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_snapshot(bytes + '\0'));
}

TEST(SnapshotCodec, AnyByteMayBeAnother) {
  const auto bytes = encode_snapshot(full_snapshot());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto other = bytes;
    other[i] = static_cast<char>(other[i] ^ 0xFF);
    const auto snapshot = decode_snapshot(other);
    if (!snapshot) continue;
    // What is taken can be shown.
    const auto now = (*snapshot)->taken_at_steady;
    EXPECT_FALSE(snapshot_text(**snapshot, now, {}).empty());
  }
}

template <typename Spoil>
Result<std::shared_ptr<const Snapshot>> crossed_with(Spoil spoil) {
  auto snapshot = full_snapshot();
  spoil(snapshot);
  return decode_snapshot(encode_snapshot(snapshot));
}

TEST(SnapshotCodec, AnOwnerThatIsNoneIsRefused) {
  EXPECT_FALSE(crossed_with(
      [](Snapshot& snapshot) { snapshot.pods.at(1).diagnosis.sockets.back().owner = 2; }));
  EXPECT_FALSE(crossed_with([](Snapshot& snapshot) {
    auto held = *snapshot.pods.at(1).held;
    held.owners.clear();
    snapshot.pods.at(1).held = std::make_shared<const HeldDiagnosis>(std::move(held));
  }));
}

TEST(SnapshotCodec, PodsOutOfOrderAreRefused) {
  EXPECT_FALSE(crossed_with(
      [](Snapshot& snapshot) { std::swap(snapshot.pods.front(), snapshot.pods.at(1)); }));
}

TEST(SnapshotCodec, EveryReasonOfAnEngineIsTaken) {
  for (const auto kind : {ErrorKind::kGone, ErrorKind::kDenied, ErrorKind::kForeign,
                          ErrorKind::kInterrupted, ErrorKind::kMalformed, ErrorKind::kUnsupported,
                          ErrorKind::kSystem, ErrorKind::kOverLimit, ErrorKind::kHung}) {
    EXPECT_TRUE(crossed_with([&](Snapshot& snapshot) {
      snapshot.engines.front().reason = reason_of(Error(kind, "why"));
    }));
  }
}

TEST(SnapshotCodec, AReasonThatIsNoneIsRefused) {
  EXPECT_FALSE(
      crossed_with([](Snapshot& snapshot) { snapshot.engines.front().reason = "because"; }));
}

TEST(SnapshotCodec, AMemberThatIsNoneIsRefused) {
  const auto refused = crossed_with(
      [](Snapshot& snapshot) { snapshot.pods.front().visibility = static_cast<Visibility>(10); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kMalformed);
  EXPECT_THAT(refused.error().what, HasSubstr("no snapshot"));
}

}  // namespace
}  // namespace closewatch::crossing
