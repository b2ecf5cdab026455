// SPDX-License-Identifier: Apache-2.0
#include "kernel/port_watch.h"

#include <algorithm>
#include <vector>

#include "tests/support/collecting_sink.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::CollectingSink;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint16_t kPorts = 10'000;

walk_namespace space(std::uint64_t net) {
  walk_namespace space{};
  space.net = net;
  space.cookie = net;
  return space;
}

SpaceRows listeners(std::uint16_t first, std::uint16_t count) {
  SpaceRows rows;
  for (std::uint16_t i = 0; i < count; ++i) {
    rows.listeners.emplace_back().local.port = static_cast<std::uint16_t>(first + i);
  }
  return rows;
}

class PortWatchTest : public ::testing::Test {
 protected:
  /// A scan in which nobody listens; `in_use` plays the program.
  template <typename InUse>
  void scan(const InUse& in_use) {
    watch_.begin_scan();
    watch_.watch(WalkFindings(WalkBounds{}));
    for (auto& place : places_) {
      if (place.net != 0) place.in_use = in_use(place) ? 1 : 0;
    }
  }
  std::vector<std::uint16_t> ports_of(std::uint64_t net) {
    CollectingSink sink;
    watch_.hand_over(space(net), {}, sink);
    return sink.ports;
  }

  std::vector<walk_port> places_ = std::vector<walk_port>(WALK_PORTS);
  PortWatch watch_{places_};
};

TEST_F(PortWatchTest, WhoClosesThousandsAtOnceTakesNoPlaceOfAnothers) {
  CollectingSink sink;
  watch_.hand_over(space(1), listeners(1024, kPorts), sink);
  watch_.hand_over(space(2), listeners(80, 2), sink);
  const auto one_has_80 = [](const walk_port& place) { return place.net == 2 && place.port == 80; };
  scan(one_has_80);
  EXPECT_THAT(ports_of(2), ElementsAre(80));
  auto left = ports_of(1).size();
  EXPECT_GE(left, kPorts - WALK_PORTS / 2);  // nobody has looked for those yet
  EXPECT_LT(left, kPorts);
  // Each has its turn, whatever comes of the others.
  for (unsigned scans = 0; left > 0 && scans < 100; ++scans) {
    scan(one_has_80);
    EXPECT_THAT(ports_of(2), ElementsAre(80));
    const auto now = ports_of(1).size();
    EXPECT_LT(now, left);
    left = now;
  }
  EXPECT_EQ(left, 0U);
}

TEST_F(PortWatchTest, ThousandsThatAreInUseKeepNoOtherFromBeingLookedFor) {
  CollectingSink sink;
  watch_.hand_over(space(1), listeners(1024, kPorts), sink);
  const auto most = [](const walk_port& place) { return place.port % 100 != 0; };
  for (unsigned scans = 0; scans < 20; ++scans) {
    scan(most);
    const auto ports = ports_of(1);
    if (scans < 15) continue;
    EXPECT_TRUE(
        std::none_of(ports.begin(), ports.end(), [](auto port) { return port % 100 == 0; }));
  }
}

TEST_F(PortWatchTest, NothingIsWatchedWhileAllListen) {
  CollectingSink sink;
  watch_.hand_over(space(1), listeners(80, 1), sink);
  watch_.begin_scan();
  WalkFindings found(WalkBounds{});
  walk_record record{};
  record.net = 1;
  record.local_port = 80;
  record.state = static_cast<walk_u8>(TcpState::kListen);
  record.counted = 1;
  found.take({&record, 1}, {});
  EXPECT_FALSE(watch_.watch(found));
  watch_.hand_over(space(1), found.rows_of(1), sink);
  EXPECT_THAT(sink.ports, IsEmpty());
}

}  // namespace
}  // namespace closewatch
