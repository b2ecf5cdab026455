// SPDX-License-Identifier: Apache-2.0
#include "closewatch/top/top_screen.h"

#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::sample_snapshot;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::size_t kWidth = 80;
constexpr std::size_t kHeight = 24;

class TopScreenTest : public ::testing::Test {
 protected:
  TopScreenTest() { show(sample_snapshot()); }

  void show(Snapshot snapshot) {
    screen_.show(std::make_shared<const Snapshot>(std::move(snapshot)));
  }

  /// A snapshot with so many healthy pods, named in order.
  static Snapshot crowd(int count) {
    auto snapshot = sample_snapshot();
    const auto healthy = snapshot.pods[3];
    snapshot.pods.clear();
    for (int i = 0; i < count; ++i) {
      auto& pod = snapshot.pods.emplace_back(healthy);
      pod.name = "pod-" + std::to_string(100 + i);
      pod.uid = "uid-" + std::to_string(100 + i);
    }
    return snapshot;
  }

  void type(const std::string& text) {
    for (const char c : text) screen_.press({TopKey::kCharacter, c});
  }
  void press(TopKey key) { screen_.press({key, 0}); }

  std::vector<TopLine> lines(std::size_t width = kWidth, std::size_t height = kHeight) {
    return screen_.lines(width, height, now_);
  }

  /// The first words of the rows of pods or sockets.
  std::vector<std::string> rows() {
    std::vector<std::string> names;
    bool below_head = false;
    for (const auto& line : lines()) {
      const auto name = line.text.substr(0, line.text.find(' '));
      if (below_head && !name.empty()) names.push_back(name);
      below_head |= line.style == TopStyle::kHead;
    }
    names.pop_back();  // the help
    return names;
  }

  std::string selected() {
    for (const auto& line : lines()) {
      if (line.style == TopStyle::kSelected) return line.text.substr(0, line.text.find(' '));
    }
    return "";
  }

  TopScreen screen_{"agent at :10088"};
  std::chrono::steady_clock::time_point now_ = sample_snapshot().taken_at_steady + 4s;
};

TEST_F(TopScreenTest, ShowsThePodsTheWorstFirstAt80By24) {
  const auto shown = lines();
  ASSERT_THAT(shown, SizeIs(kHeight));
  EXPECT_THAT(shown[0].text,
              StartsWith("closewatch top - agent at :10088 - scanned 4 s ago, every 10 s"));
  EXPECT_THAT(shown[1].text,
              StartsWith("5 pods: 1 with 1000 stuck and 30 held, 3 not counted   by worst"));
  EXPECT_EQ(shown[2].text,
            "NAMESPACE/POD           CL_WAIT  STUCK OLDEST OWES    DIR  TOP PEER             ");
  EXPECT_EQ(shown[3].text,
            "shop/cart-0                1201   1000  2h03m close+  out+ 10.0.0.9:443         ");
  EXPECT_THAT(shown[23].text, StartsWith("Up Down move"));
  EXPECT_THAT(rows(), ElementsAre("shop/cart-0", "kube-system/proxy", "shop/web-0", "shop/web-0",
                                  "unknown/uid-nameless"));
}

TEST_F(TopScreenTest, IsNeverWiderOrHigherThanTheScreen) {
  screen_.complain("no " + std::string(300, 'x'));
  for (const std::size_t width : {0U, 1U, 10U, 23U, 80U, 81U, 200U}) {
    for (const std::size_t height : {0U, 1U, 2U, 3U, 4U, 5U, 24U, 60U}) {
      const auto shown = lines(width, height);
      EXPECT_THAT(shown, SizeIs(height)) << width << "x" << height;
      for (const auto& line : shown) EXPECT_LE(line.text.size(), width);
    }
  }
}

TEST_F(TopScreenTest, AWideScreenHasMoreColumns) {
  EXPECT_THAT(lines(140)[2].text, AllOf(HasSubstr("ACCEPT Q"), HasSubstr("CONTAINER")));
  EXPECT_THAT(lines(140)[3].text, AllOf(HasSubstr("3/128"), HasSubstr(" app ")));
}

TEST_F(TopScreenTest, SaysWhatIsNotCountedAndWhy) {
  const auto shown = lines();
  EXPECT_THAT(shown[4].text, StartsWith("kube-system/proxy not counted (host_network): it shares"));
}

TEST_F(TopScreenTest, ShowsNoCountsOfAStaleSnapshot) {
  now_ += 1min;
  for (const auto& line : lines()) EXPECT_THAT(line.text, ::testing::Not(HasSubstr("1201")));
  EXPECT_THAT(lines()[3].text, StartsWith("shop/cart-0 not counted (stale)"));
}

TEST_F(TopScreenTest, SaysWhenTheAgentIsGoneAndGoesOnShowingWhatIsKnown) {
  screen_.complain("connecting to :10088: Connection refused");
  EXPECT_THAT(lines()[2].text, StartsWith("connecting to :10088: Connection refused"));
  EXPECT_THAT(lines()[4].text, HasSubstr("1201"));
  screen_.complain("");
  EXPECT_THAT(lines()[3].text, HasSubstr("1201"));
}

TEST_F(TopScreenTest, FiltersAsOneTypes) {
  type("/10.0.0.9");
  EXPECT_THAT(lines()[1].text, HasSubstr("/10.0.0.9_"));
  EXPECT_THAT(rows(), ElementsAre("shop/cart-0"));
  press(TopKey::kEnter);
  EXPECT_THAT(rows(), ElementsAre("shop/cart-0"));
  EXPECT_FALSE(screen_.open_pod());
  type("/");
  for (int i = 0; i < 8; ++i) press(TopKey::kErase);
  type("KUBE");
  EXPECT_THAT(rows(), ElementsAre("kube-system/proxy"));
  press(TopKey::kEscape);
  EXPECT_THAT(rows(), SizeIs(5));
  type("/q");  // a letter of the filter, not the end
  EXPECT_FALSE(screen_.ended());
}

TEST_F(TopScreenTest, SortsByKeyAndBack) {
  auto snapshot = crowd(3);
  snapshot.pods[0].sums.states.add(TcpState::kCloseWait, 5);
  snapshot.pods[1].diagnosis.oldest = 1h;
  snapshot.pods[0].sums.listeners = {{80, 100, 4096}};
  snapshot.pods[2].sums.listeners = {{80, 9, 10}};
  show(snapshot);
  type("c");
  EXPECT_EQ(rows().front(), "shop/pod-100");
  type("o");
  EXPECT_EQ(rows().front(), "shop/pod-101");
  type("a");
  EXPECT_EQ(rows().front(), "shop/pod-102");
  type("n");
  EXPECT_EQ(rows().front(), "shop/pod-100");
  type("n");
  EXPECT_EQ(rows().front(), "shop/pod-102");
  EXPECT_THAT(lines()[1].text, HasSubstr("by name reversed"));
  type("r");
  EXPECT_EQ(rows().front(), "shop/pod-100");
  press(TopKey::kRight);
  EXPECT_THAT(lines()[1].text, HasSubstr("by close_wait"));
  press(TopKey::kLeft);
  press(TopKey::kLeft);
  press(TopKey::kLeft);
  EXPECT_THAT(lines()[1].text, HasSubstr("by accept queue"));
}

TEST_F(TopScreenTest, ScrollsWithTheSelection) {
  show(crowd(100));
  EXPECT_EQ(selected(), "shop/pod-100");
  for (int i = 0; i < 30; ++i) press(TopKey::kDown);
  EXPECT_EQ(selected(), "shop/pod-130");
  EXPECT_EQ(rows().back(), "shop/pod-130");
  press(TopKey::kUp);
  EXPECT_EQ(rows().back(), "shop/pod-130");
  press(TopKey::kEnd);
  EXPECT_EQ(selected(), "shop/pod-199");
  press(TopKey::kDown);
  EXPECT_EQ(selected(), "shop/pod-199");
  press(TopKey::kPageUp);
  EXPECT_EQ(selected(), "shop/pod-179");
  press(TopKey::kHome);
  EXPECT_EQ(selected(), "shop/pod-100");
  press(TopKey::kPageDown);
  EXPECT_EQ(selected(), "shop/pod-120");
}

TEST_F(TopScreenTest, TheSelectionStaysWithItsPodThroughARefresh) {
  show(crowd(10));
  for (int i = 0; i < 4; ++i) press(TopKey::kDown);
  auto next = crowd(10);
  next.pods[9].sums.states.add(TcpState::kCloseWait, 7);
  show(next);
  EXPECT_EQ(rows().front(), "shop/pod-109");
  EXPECT_EQ(selected(), "shop/pod-104");
}

TEST_F(TopScreenTest, DrillsIntoThePodsSocketsAndBack) {
  const auto snapshot = sample_snapshot();
  press(TopKey::kEnter);
  ASSERT_EQ(screen_.open_pod(), TopScreen::PodName("shop", "cart-0"));
  EXPECT_THAT(lines()[2].text, StartsWith("shop/cart-0: ..."));
  screen_.show_sockets(
      list_sockets(find_namesakes(snapshot, "shop", "cart-0"), [](const Pod&, const auto&) {
        SocketOwnerList owners;
        owners.by_inode[4711] = {77, "java", 0};
        return owners;
      }));
  const auto shown = lines(100);
  EXPECT_THAT(shown[2].text, StartsWith("shop/cart-0: 2 of 1231 sockets in CLOSE_WAIT, or held"));
  EXPECT_THAT(shown[4].text, StartsWith("10.0.0.9:443"));
  EXPECT_THAT(shown[4].text, AllOf(HasSubstr("10.1.2.3:40000"), HasSubstr("2h03m"),
                                   HasSubstr("77/java"), HasSubstr("outbound")));
  EXPECT_EQ(shown[4].style, TopStyle::kSelected);
  press(TopKey::kDown);
  EXPECT_EQ(lines(100)[5].style, TopStyle::kSelected);
  press(TopKey::kEscape);
  EXPECT_FALSE(screen_.open_pod());
  EXPECT_EQ(selected(), "shop/cart-0");
}

TEST_F(TopScreenTest, NamesTheOwnersOfWhatOtherPodsHaveMade) {
  const auto snapshot = testing::ambient_snapshot();
  show(snapshot);
  const std::string owner = "istio-system/ztunnel-x7k2p/istio-proxy";
  constexpr std::size_t kWide = 200;
  EXPECT_THAT(lines(kWide)[3].text, HasSubstr("istio-system/ztunnel-x7k2p/istio-p"));
  type("/ztunnel-x7");
  press(TopKey::kEnter);
  EXPECT_THAT(rows(), ElementsAre("shop/cart-0"));
  press(TopKey::kEnter);
  screen_.show_sockets(testing::sample_listing(snapshot, "java"));
  EXPECT_THAT(lines()[3].text, StartsWith("10 made by " + owner));
  EXPECT_THAT(lines()[4].text, StartsWith("2 made by debug/shell/sh"));
  EXPECT_THAT(lines(kWide)[7].text, HasSubstr("debug/shell/sh"));
}

TEST_F(TopScreenTest, SaysWhyThereAreNoSockets) {
  press(TopKey::kEnter);
  screen_.show_sockets(fail(ErrorKind::kUnsupported, "api.socket_detail is false"));
  EXPECT_THAT(lines()[2].text, HasSubstr("api.socket_detail is false"));
  SocketListing unseen;
  unseen.visibility = Visibility::kDenied;
  unseen.detail = "CAP_SYS_ADMIN is missing";
  screen_.show_sockets(unseen);
  EXPECT_THAT(lines()[2].text, HasSubstr("not counted (denied): CAP_SYS_ADMIN is missing"));
}

TEST_F(TopScreenTest, ShowsNoByteThatATerminalWouldObey) {
  auto snapshot = sample_snapshot();
  for (auto& pod : snapshot.pods) pod.name = pod.detail = "\x1b]0;x\x07\n\xc3\xa9";
  snapshot.pods[1].diagnosis.containers[0].container = "\x1b[2J";
  snapshot.pods[1].diagnosis.peers[0].peer = "\x1b[2J";
  show(snapshot);
  screen_.complain("\x1b[2J");
  for (const auto& line : lines(200)) {
    for (const char c : line.text) EXPECT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST_F(TopScreenTest, IsAScreenBeforeTheFirstScanAndEndsOnQ) {
  TopScreen screen("own scans");
  EXPECT_THAT(screen.lines(kWidth, kHeight, now_)[0].text, HasSubstr("no scan yet"));
  screen.press({TopKey::kDown, 0});
  screen.press({TopKey::kEnter, 0});
  EXPECT_FALSE(screen.open_pod());
  screen.press({TopKey::kCharacter, 'q'});
  EXPECT_TRUE(screen.ended());
}

}  // namespace
}  // namespace closewatch
