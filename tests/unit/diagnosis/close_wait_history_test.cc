// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/close_wait_history.h"

#include <map>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr NamespaceIdentity kSpace{.cookie = 1, .id = {}};
constexpr NamespaceIdentity kOther{.cookie = 2, .id = {}};

SocketRow close_wait(std::uint64_t cookie, std::uint32_t last_ack_ms = 0,
                     std::uint16_t port = 40'000) {
  SocketRow row;
  row.state = TcpState::kCloseWait;
  row.cookie = cookie;
  row.inode = 1;
  row.local.port = port;
  row.last_ack_received_ms = last_ack_ms;
  return row;
}

SocketRow in_state(TcpState state, std::uint16_t port) {
  SocketRow row;
  row.state = state;
  row.local.port = port;
  return row;
}

class CloseWaitHistoryTest : public ::testing::Test {
 protected:
  /// What was found of each socket, by its cookie.
  using Found = std::map<std::uint64_t, CloseWaitSocket>;

  Found observe(const std::vector<SocketRow>& rows, const NamespaceIdentity& space = kSpace) {
    tally_.begin_pod({});
    for (const auto& row : rows) tally_.row(row);
    history_.observe(space, now_, tally_);
    Found found;
    for (const auto& socket : tally_.close_wait()) found.emplace(socket.cookie, socket);
    return found;
  }
  /// A whole scan of a pod with one namespace.
  Found scan(const std::vector<SocketRow>& rows) {
    history_.begin_scan();
    auto found = observe(rows);
    history_.end_scan();
    return found;
  }

  SocketTally tally_;
  CloseWaitHistory history_{false};
  steady_clock::time_point now_{1h};
};

TEST_F(CloseWaitHistoryTest, TakesTheAgeFromTheKernelAtFirst) {
  EXPECT_EQ(scan({close_wait(1, 5'000)})[1].age, 5s);
}

TEST_F(CloseWaitHistoryTest, RemembersSinceWhenWhateverLaterAcksSay) {
  scan({close_wait(1, 5'000)});
  now_ += 10s;
  EXPECT_EQ(scan({close_wait(1, 200)})[1].age, 15s);
  now_ += 10s;
  EXPECT_EQ(scan({close_wait(1, 100)})[1].age, 25s);
}

TEST_F(CloseWaitHistoryTest, BelievesTheKernelWhenItKnowsOfAnEarlierTime) {
  scan({close_wait(1, 0)});  // a kernel that did not tell
  now_ += 10s;
  EXPECT_EQ(scan({close_wait(1, 30'000)})[1].age, 30s);
}

TEST_F(CloseWaitHistoryTest, NamesWhatHasLeftByItsInodeOnce) {
  const auto with_inode = [](std::uint64_t cookie, std::uint32_t inode) {
    auto row = close_wait(cookie);
    row.inode = inode;
    return row;
  };
  history_ = CloseWaitHistory(false, true);
  // The second is accepted in between; nobody accepts the third.
  scan({with_inode(1, 10), with_inode(2, 0), with_inode(3, 0), with_inode(4, 40)});
  scan({with_inode(1, 10), with_inode(2, 20), with_inode(3, 0), with_inode(4, 40)});
  scan({with_inode(4, 40)});
  EXPECT_THAT(history_.take_left(), IsEmpty());  // it may have been missed
  scan({with_inode(4, 40)});
  EXPECT_EQ(history_.left(), 3U);
  EXPECT_THAT(history_.take_left(), ElementsAre(10, 20));
  EXPECT_THAT(history_.take_left(), IsEmpty());
}

TEST_F(CloseWaitHistoryTest, NamesASocketThatAnotherEngineCallsOtherwise) {
  history_ = CloseWaitHistory(false, true);
  auto before = close_wait(1);
  before.inode = 10;
  scan({before});
  const auto known = close_wait_socket(before);
  auto after = known;
  after.cookie = 99;
  history_.rename(kSpace, now_, std::span(&known, 1), std::span(&after, 1));
  scan({});
  scan({});
  EXPECT_THAT(history_.take_left(), ElementsAre(10));
}

TEST_F(CloseWaitHistoryTest, NamesNobodyWhereNobodyAsksAndNoMoreThanItMay) {
  std::vector<SocketRow> many;
  for (std::uint64_t cookie = 0; cookie < CloseWaitHistory::kNamed + 10; ++cookie) {
    many.push_back(close_wait(cookie));
  }
  for (const bool names : {false, true}) {
    history_ = CloseWaitHistory(false, names);
    scan(many);
    scan({});
    scan({});
    EXPECT_EQ(history_.left(), many.size());
    EXPECT_EQ(history_.take_left().size(), names ? CloseWaitHistory::kNamed : 0);
  }
}

TEST_F(CloseWaitHistoryTest, CountsWhatCameAndWent) {
  scan({close_wait(3), close_wait(1), close_wait(2)});
  EXPECT_EQ(history_.entered(), 0U);
  scan({close_wait(5), close_wait(2), close_wait(4)});
  EXPECT_EQ(history_.entered(), 2U);
  EXPECT_EQ(history_.left(), 0U);  // the kernel may have missed them
  scan({});
  EXPECT_EQ(history_.entered(), 2U);
  EXPECT_EQ(history_.left(), 2U);
  scan({});
  EXPECT_EQ(history_.left(), 5U);
}

TEST_F(CloseWaitHistoryTest, WhatIsBackWasMissed) {
  scan({close_wait(1), close_wait(2, 5'000), close_wait(3)});
  now_ += 10s;
  scan({close_wait(1), close_wait(3)});
  now_ += 10s;
  EXPECT_EQ(scan({close_wait(1), close_wait(2, 1'000), close_wait(3)})[2].age, 25s);
  scan({close_wait(1), close_wait(2), close_wait(3)});
  EXPECT_EQ(history_.entered(), 0U);
  EXPECT_EQ(history_.left(), 0U);
}

TEST_F(CloseWaitHistoryTest, WhatIsOlderThanTheLastReadingWasMissedByIt) {
  scan({close_wait(1, 60'000)});
  now_ += 10s;
  scan({close_wait(1, 70'000), close_wait(2, 70'000)});
  EXPECT_EQ(history_.entered(), 0U);
  now_ += 10s;
  // The last came while the one before was read.
  scan({close_wait(1, 80'000), close_wait(2, 80'000), close_wait(3, 9'000), close_wait(4, 10'500)});
  EXPECT_EQ(history_.entered(), 2U);
}

TEST_F(CloseWaitHistoryTest, WhatIsBackAfterItCountedAsGoneHasEnteredAgain) {
  scan({close_wait(1), close_wait(2)});
  scan({close_wait(1)});
  scan({close_wait(1)});
  scan({close_wait(1), close_wait(2)});
  EXPECT_EQ(history_.left(), 1U);
  EXPECT_EQ(history_.entered(), 1U);
}

TEST_F(CloseWaitHistoryTest, WaitsForSoManyAndNoMore) {
  std::vector<SocketRow> rows;
  for (std::uint64_t cookie = 1; cookie <= CloseWaitHistory::kMissing + 10; ++cookie) {
    rows.push_back(close_wait(cookie));
  }
  scan(rows);
  scan({});
  EXPECT_EQ(history_.left(), 10U);
  scan({});
  EXPECT_EQ(history_.left(), rows.size());
}

TEST_F(CloseWaitHistoryTest, StartsFromZeroForANewPod) {
  history_ = CloseWaitHistory(true);
  scan({close_wait(1), close_wait(2)});
  EXPECT_EQ(history_.entered(), 2U);
}

TEST_F(CloseWaitHistoryTest, KeepsNamespacesApart) {
  history_.begin_scan();
  observe({close_wait(1, 9'000)}, kSpace);
  EXPECT_EQ(observe({close_wait(1, 2'000)}, kOther)[1].age, 2s);
  history_.end_scan();
  EXPECT_EQ(history_.left(), 0U);
}

TEST_F(CloseWaitHistoryTest, WhatANamespaceHeldHasLeftWithIt) {
  history_.begin_scan();
  observe({close_wait(1)}, kSpace);
  observe({close_wait(2), close_wait(3)}, kOther);
  history_.end_scan();
  scan({close_wait(1)});
  EXPECT_EQ(history_.left(), 2U);
  EXPECT_EQ(history_.entered(), 0U);
}

TEST_F(CloseWaitHistoryTest, WhatWasMissingInANamespaceThatIsGoneHasLeftAsWell) {
  history_.begin_scan();
  observe({close_wait(1)}, kSpace);
  observe({close_wait(2), close_wait(3)}, kOther);
  history_.end_scan();
  history_.begin_scan();
  observe({close_wait(1)}, kSpace);
  observe({close_wait(2)}, kOther);
  history_.end_scan();
  scan({close_wait(1)});
  EXPECT_EQ(history_.left(), 2U);
}

TEST_F(CloseWaitHistoryTest, AScanThatBrokeOffIsNoExodus) {
  history_.begin_scan();
  observe({close_wait(1)}, kSpace);
  observe({close_wait(2)}, kOther);
  history_.end_scan();
  history_.begin_scan();
  observe({close_wait(1)}, kSpace);  // and then the other could not be read
  history_.begin_scan();
  observe({close_wait(1)}, kSpace);
  observe({close_wait(2)}, kOther);
  history_.end_scan();
  EXPECT_EQ(history_.left(), 0U);
  EXPECT_EQ(history_.entered(), 0U);
}

TEST_F(CloseWaitHistoryTest, ANamespaceThatIsDisownedWasNeverThere) {
  scan({close_wait(1)});
  history_.begin_scan();
  observe({close_wait(1), close_wait(2)}, kSpace);
  observe({close_wait(3), close_wait(4)}, kOther);
  history_.end_scan();
  history_.disown_new();
  EXPECT_EQ(history_.entered(), 1U);
  scan({close_wait(1), close_wait(2)});
  EXPECT_EQ(history_.entered(), 1U);
  EXPECT_EQ(history_.left(), 0U);
}

TEST_F(CloseWaitHistoryTest, APodWhoseFirstNamespaceWasDisownedIsNotWatchedYet) {
  scan({close_wait(1)});
  history_.disown_new();
  scan({close_wait(1)});
  EXPECT_EQ(history_.entered(), 0U);
}

TEST_F(CloseWaitHistoryTest, InboundIsWhatHasAListener) {
  const auto found =
      scan({close_wait(1, 0, 8080), in_state(TcpState::kListen, 8080), close_wait(2, 0, 40'000)});
  EXPECT_EQ(found.at(1).direction, Direction::kInbound);
  EXPECT_EQ(found.at(2).direction, Direction::kOutbound);
}

TEST_F(CloseWaitHistoryTest, WhatNobodyAcceptedIsInbound) {
  auto row = close_wait(1, 0, 40'000);
  row.inode = 0;
  EXPECT_EQ(scan({row}).at(1).direction, Direction::kInbound);
}

/// What the options of a socket say, and whether it is inbound if its port listens, if nobody
/// accepts what is for other addresses, if somebody does.
struct DirectionCase {
  const char* what;
  Binding binding;
  std::uint16_t port;
  bool listening, alone, proxied;
};

TEST_F(CloseWaitHistoryTest, WhatASocketsOptionsTellGoesBeforeItsPort) {
  const std::vector<DirectionCase> cases = {
      {"nothing is known", {}, 8080, true, false, false},
      {"bound its port", {.port = true, .address = true}, 8080, false, false, false},
      {"accepted, or did not bind", {.port = false, .address = false}, 8080, true, false, false},
      {"accepted for another address",
       {.port = false, .address = false, .transparent = true},
       40'000,
       true,
       false,
       true},
      {"dialled in another's name, or accepted at a bound address",
       {.port = false, .address = true, .transparent = true},
       40'000,
       true,
       false,
       false},
      {"likewise, at a port that is nobody's own",
       {.port = false, .address = true, .transparent = true},
       80,
       true,
       false,
       true},
      {"nobody knows who bound what", {.transparent = true}, 80, true, false, true},
      {"nor here", {.transparent = true}, 32'768, true, false, false},
      {"the port comes with the call",
       {.transparent = true, .late_port = true},
       80,
       true,
       false,
       false}};
  for (const auto& known : cases) {
    SCOPED_TRACE(known.what);
    auto row = close_wait(1, 0, known.port);
    row.binding = known.binding;
    auto proxy = in_state(TcpState::kListen, 15'001);
    const auto inbound = [&](const std::vector<SocketRow>& rows) {
      CloseWaitHistory history(false);
      SocketTally tally;
      tally.begin_pod({});
      for (const auto& each : rows) tally.row(each);
      history.begin_scan();
      history.observe(kSpace, {}, tally);
      return tally.close_wait().front().direction == Direction::kInbound;
    };
    EXPECT_EQ(inbound({row, in_state(TcpState::kListen, known.port)}), known.listening);
    EXPECT_EQ(inbound({row, proxy}), known.alone);
    proxy.binding.transparent = true;
    EXPECT_EQ(inbound({row, proxy}), known.proxied);
  }
}

TEST_F(CloseWaitHistoryTest, AProxysListenerIsRememberedToo) {
  auto proxy = in_state(TcpState::kListen, 15'001);
  proxy.binding.transparent = true;
  auto row = close_wait(1, 0, 80);
  row.binding.transparent = true;
  scan({proxy});
  EXPECT_EQ(scan({row}).at(1).direction, Direction::kInbound);
}

TEST_F(CloseWaitHistoryTest, AClosedListenerIsRememberedAsLongAsItsPortHasSockets) {
  scan({in_state(TcpState::kListen, 8080), in_state(TcpState::kEstablished, 8080)});
  scan({in_state(TcpState::kEstablished, 8080)});
  EXPECT_EQ(scan({close_wait(1, 0, 8080)}).at(1).direction, Direction::kInbound);
  scan({close_wait(2, 0, 9'000)});  // the last socket of the port has gone
  EXPECT_EQ(scan({close_wait(3, 0, 8080)}).at(3).direction, Direction::kOutbound);
}

TEST_F(CloseWaitHistoryTest, ForgetsWhatHasLeft) {
  std::vector<SocketRow> rows;
  for (std::uint64_t cookie = 1; cookie <= 10'000; ++cookie) rows.push_back(close_wait(cookie));
  scan(rows);
  EXPECT_EQ(history_.sockets(), 10'000U);
  scan({});
  EXPECT_EQ(history_.sockets(), 0U);
}

TEST_F(CloseWaitHistoryTest, KnowsEveryPortOfManyThatListenOrDid) {
  scan({in_state(TcpState::kListen, 9'000), in_state(TcpState::kEstablished, 9'000)});
  // 9000 is remembered, the others are new and below it.
  const auto found = scan({in_state(TcpState::kEstablished, 9'000), in_state(TcpState::kListen, 80),
                           in_state(TcpState::kListen, 443), close_wait(1, 0, 80),
                           close_wait(2, 0, 443), close_wait(3, 0, 9'000)});
  for (const auto& [cookie, socket] : found) {
    EXPECT_EQ(socket.direction, Direction::kInbound) << cookie;
  }
}

/// Another engine reads from now on.
class RenamedHistoryTest : public CloseWaitHistoryTest {
 protected:
  /// One scan by two engines, which call the sockets by different names.
  void scan_by_both(const std::vector<SocketRow>& rows, const std::vector<SocketRow>& others) {
    scan(rows);
    SocketTally next;
    next.begin_pod({});
    for (const auto& row : others) next.row(row);
    history_.rename(kSpace, now_, tally_.close_wait(), next.close_wait());
  }
};

TEST_F(RenamedHistoryTest, ASocketOfAnotherNameIsAsOldAsItWas) {
  scan({close_wait(1, 0, 40'001), close_wait(2, 0, 40'002)});
  now_ += 10s;
  scan_by_both({close_wait(1, 0, 40'001), close_wait(2, 0, 40'002)},
               {close_wait(200, 0, 40'002), close_wait(100, 0, 40'001)});
  now_ += 10s;
  auto found = scan({close_wait(100, 0, 40'001), close_wait(200, 0, 40'002)});
  EXPECT_EQ(found[100].age, 20s);
  EXPECT_EQ(found[200].age, 20s);
  EXPECT_EQ(history_.entered(), 0U);
  EXPECT_EQ(history_.left(), 0U);
}

TEST_F(RenamedHistoryTest, WhatCameOrWentBetweenTheTwoShowsInTheNextScans) {
  scan({close_wait(1, 0, 40'001), close_wait(2, 0, 40'002)});
  now_ += 10s;
  scan_by_both({close_wait(1, 0, 40'001), close_wait(2, 0, 40'002)},
               {close_wait(100, 0, 40'001), close_wait(300, 0, 40'003)});
  for (int i = 0; i < 2; ++i) {
    now_ += 10s;
    scan({close_wait(100, 10'000, 40'001), close_wait(300, 10'000, 40'003)});
  }
  EXPECT_EQ(history_.entered(), 1U);
  EXPECT_EQ(history_.left(), 1U);
}

TEST_F(RenamedHistoryTest, WhereTheOtherCouldNotReadNothingHasComeOrGone) {
  scan({close_wait(1, 30'000, 40'001)});
  history_.forget_names();
  now_ += 10s;
  scan({close_wait(100, 40'000, 40'001)});
  now_ += 10s;
  scan({close_wait(100, 50'000, 40'001)});
  EXPECT_EQ(history_.entered(), 0U);
  EXPECT_EQ(history_.left(), 0U);
}

}  // namespace
}  // namespace closewatch
