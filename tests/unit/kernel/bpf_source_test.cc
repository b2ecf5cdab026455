// SPDX-License-Identifier: Apache-2.0
#include "kernel/bpf_source.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/collecting_sink.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using testing::CollectingSink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kListeners = 0x1000;
constexpr std::uint64_t kConnections = 0x2000;
constexpr std::uint64_t kOwnConnections = 0x3000;
constexpr std::uint64_t kMask = 7;
constexpr unsigned kHz = 250;
constexpr std::uint64_t kUptimeSeconds = 1000;
constexpr std::uint64_t kFirstJiffies = 0xFFFFFFFFU - 300 * kHz + 1;

/// A socket as the fake kernel has it.
struct FakeSocket {
  std::uint64_t net = 0;  ///< 0: there is none
  TcpState state = TcpState::kEstablished;
  std::uint16_t port = 0;
  std::uint64_t cgroup = 0;
  std::uint32_t sequence = 7;
  std::uint32_t receive_queue = 0;
  std::uint32_t silent_ticks = 0;  ///< since the last ACK
  std::uint8_t binding = 0;
};

/// Plays the program in the kernel: one bucket a run, and of a long chain three sockets.
class FakeWalkProgram final : public WalkProgram {
 public:
  struct State {
    std::map<std::uint64_t, std::vector<FakeSocket>> tables;
    std::map<ino_t, walk_namespace> namespaces;
    std::uint64_t cookies = 1;  ///< a namespace's cookie is so much more than its address
    bool unreadable = false;    ///< the table of connections
    bool grouped = true;        ///< whether there is room to count in groups
    bool long_chains = false;   ///< of connections, all
    /// What becomes of each attempt at the chain in the bucket; WALK_WHOLE when nothing is said.
    std::map<std::uint64_t, std::deque<walk_end>> ends;
    bool front_comes_again = false;       ///< at the end of the next attempt
    std::optional<std::uint64_t> circle;  ///< the bucket whose chain has no end
    std::size_t walks = 0;                ///< of whole tables
    bool stuck = false;
    std::vector<std::uint32_t> watching;  ///< at each run over connections
  };

  explicit FakeWalkProgram(State& state)
      : state_(state), groups_(WALK_GROUPS), records_(WALK_RECORDS), ports_(WALK_PORTS) {}

  WalkMemory memory() override { return {request_, answer_, found_, groups_, records_, ports_}; }

  Result<void> identify_namespace() override {
    struct stat status {};
    ::fstat(static_cast<int>(request_.descriptor), &status);
    found_ = state_.namespaces[status.st_ino];
    return {};
  }

  Result<void> walk_table() override {
    begin_answer();
    answer_.next = state_.stuck ? request_.first : request_.first + 1;
    if (request_.first == 0) ++state_.walks;
    const auto chain = chain_of(request_.first);
    if (request_.listening == 0) {
      state_.watching.push_back(request_.watching);
      answer_.unreadable = state_.unreadable ? 1 : 0;
      answer_.left_out = state_.long_chains && !chain.empty() ? 1 : 0;
    }
    if (answer_.left_out != 0) return {};
    for (const auto index : chain) meet(index, state_.grouped);
    return {};
  }

  Result<void> walk_chain() override {
    constexpr std::size_t kRoom = 3;
    begin_answer();
    auto chain = chain_of(request_.first);
    if (request_.resume == 0) {
      told_ = 0;
      repeats_ = std::exchange(state_.front_comes_again, false);
    }
    if (repeats_) chain.push_back(chain.front());
    auto& ends = state_.ends[request_.first];
    if (state_.circle == request_.first) told_ %= chain.size();
    for (; told_ < chain.size(); ++told_) {
      if (answer_.records == kRoom) {
        answer_.end = WALK_MORE;
        return {};
      }
      meet(chain[told_], false);
      ++answer_.sockets;
    }
    if (state_.circle == request_.first) ends.push_front(WALK_MORE);
    answer_.end = ends.empty() ? WALK_WHOLE : ends.front();
    if (!ends.empty()) ends.pop_front();
    return {};
  }

 private:
  void begin_answer() {
    answer_ = {};
    answer_.jiffies = kFirstJiffies + kUptimeSeconds * kHz;
    answer_.monotonic = kUptimeSeconds * 1'000'000'000;
  }

  /// Places of the sockets among the table's.
  std::vector<std::size_t> chain_of(std::uint64_t bucket) {
    std::vector<std::size_t> chain;
    for (std::size_t i = 0; i < state_.tables[request_.table].size(); ++i) {
      const bool there = state_.tables[request_.table][i].net != 0;
      if (there && (i & request_.mask) == bucket) chain.push_back(i);
    }
    return chain;
  }

  void meet(std::size_t index, bool grouped) {
    const auto& socket = state_.tables[request_.table][index];
    for (auto& port : ports_) {
      if (port.net == socket.net && port.port == socket.port && request_.listening == 0) {
        port.in_use = 1;
      }
    }
    if (grouped) {
      auto& group = group_of(socket.net, socket.net == request_.split ? socket.cgroup : 0);
      ++group.sockets[static_cast<std::size_t>(socket.state)];
    }
    const bool described =
        socket.state == TcpState::kCloseWait || socket.state == TcpState::kListen;
    if (grouped && !described) return;
    auto& record = records_[answer_.records++];
    record = {};
    record.net = socket.net;
    record.cookie = grouped ? 0 : socket.net + state_.cookies;
    record.cgroup = socket.cgroup;
    record.socket = request_.table + index * 8;
    record.state = static_cast<walk_u8>(socket.state);
    record.counted = grouped ? 1 : 0;
    record.local_port = socket.port;
    if (!described) return;
    record.family = 2;  // AF_INET
    record.remote_port = htons(443);
    record.sequence = socket.sequence;
    record.binding = socket.binding;
    record.receive_queue = socket.receive_queue;
    record.received_at = static_cast<walk_u32>(answer_.jiffies) - socket.silent_ticks;
  }

  walk_group& group_of(std::uint64_t net, std::uint64_t cgroup) {
    auto place = walk_group_place(net, cgroup);
    while (groups_[place].generation == request_.generation &&
           (groups_[place].net != net || groups_[place].cgroup != cgroup)) {
      place = (place + 1) & (WALK_GROUPS - 1);
    }
    auto& group = groups_[place];
    if (group.generation != request_.generation) {
      group = {};
      group.generation = request_.generation;
      group.net = net;
      group.cgroup = cgroup;
      group.cookie = net + state_.cookies;
    }
    return group;
  }

  State& state_;
  walk_request request_{};
  walk_answer answer_{};
  walk_namespace found_{};
  std::vector<walk_group> groups_;
  std::vector<walk_record> records_;
  std::vector<walk_port> ports_;
  std::size_t told_ = 0;  ///< of the chain
  bool repeats_ = false;
};

class BpfSourceTest : public ::testing::Test {
 protected:
  /// A namespace of the fake kernel, behind a descriptor.
  int space(std::uint64_t net, std::uint64_t connections = kConnections) {
    const auto* const paths = net == 100   ? "/proc/self/status"
                              : net == 200 ? "/proc/self/stat"
                                           : "/proc/self/statm";
    auto& fd = descriptors_[net];
    fd = *open_at(kWorkingDirectory, paths, O_RDONLY);
    struct stat status {};
    ::fstat(fd.get(), &status);
    auto& found = state_.namespaces[status.st_ino];
    found = {};
    found.net = net;
    found.cookie = net + state_.cookies;
    found.established = connections;
    found.established_mask = kMask;
    found.listening = kListeners;
    found.listening_mask = kMask;
    return fd.get();
  }
  void scan(std::optional<int> split = std::nullopt) { source_.begin_scan(split); }
  Result<SocketReading> read(int fd, const SocketQuery& query = {.tcp_info = true}) {
    return source_.read(fd, query, sink_);
  }
  [[nodiscard]] std::uint64_t counted(TcpState state) const {
    std::uint64_t sum = 0;
    for (const auto& count : sink_.counts) sum += count.state == state ? count.sockets : 0;
    return sum;
  }

  FakeWalkProgram::State state_;
  BpfSource source_{std::make_unique<FakeWalkProgram>(state_), {.rows = 20, .chain = 30}};
  CollectingSink sink_;
  std::map<std::uint64_t, UniqueFd> descriptors_;
};

TEST_F(BpfSourceTest, OneWalkServesAllNamespaces) {
  state_.tables[kListeners] = {{.net = 100, .state = TcpState::kListen, .port = 80}};
  for (int i = 0; i < 20; ++i) state_.tables[kConnections].push_back({.net = 100});
  for (int i = 0; i < 3; ++i) state_.tables[kConnections].push_back({.net = 200});
  const auto first = space(100);
  const auto second = space(200);
  scan();
  const auto reading = read(first);
  ASSERT_TRUE(reading) << reading.error().what;
  EXPECT_EQ(reading->namespace_cookie, 101);
  EXPECT_EQ(counted(TcpState::kEstablished), 20U);
  ASSERT_EQ(sink_.rows.size(), 1U);
  EXPECT_EQ(sink_.rows.front().local.port, 80);
  ASSERT_TRUE(read(second));
  EXPECT_EQ(counted(TcpState::kEstablished), 3U);
  EXPECT_THAT(sink_.rows, IsEmpty());
  EXPECT_EQ(state_.walks, 2U);  // one for listeners, one for all else
}

TEST_F(BpfSourceTest, NothingIsKeptForTheNextScan) {
  state_.tables[kConnections] = {{.net = 100}, {.net = 100, .state = TcpState::kCloseWait}};
  const auto fd = space(100);
  scan();
  ASSERT_TRUE(read(fd));
  state_.tables[kConnections].clear();
  scan();
  ASSERT_TRUE(read(fd));
  EXPECT_THAT(sink_.rows, IsEmpty());
  EXPECT_THAT(sink_.counts, IsEmpty());
}

TEST_F(BpfSourceTest, ANamespacesOwnTableIsWalkedToo) {
  state_.tables[kConnections] = {{.net = 100}};
  state_.tables[kOwnConnections] = {{.net = 200}, {.net = 200}};
  const auto common = space(100);
  const auto own = space(200, kOwnConnections);
  scan();
  ASSERT_TRUE(read(common));
  EXPECT_EQ(counted(TcpState::kEstablished), 1U);
  ASSERT_TRUE(read(own));
  EXPECT_EQ(counted(TcpState::kEstablished), 2U);
}

TEST_F(BpfSourceTest, TheSharedNamespaceIsCountedByCgroup) {
  state_.tables[kConnections] = {{.net = 100, .cgroup = 5},
                                 {.net = 100, .cgroup = 5},
                                 {.net = 100, .cgroup = 6},
                                 {.net = 200, .cgroup = 5},
                                 {.net = 100, .state = TcpState::kTimeWait}};
  const auto shared = space(100);
  const auto other = space(200);
  scan(shared);
  ASSERT_TRUE(read(shared));
  std::map<std::optional<std::uint64_t>, std::uint64_t> by_cgroup;
  for (const auto& count : sink_.counts) by_cgroup[count.cgroup_id] += count.sockets;
  EXPECT_THAT(by_cgroup,
              ElementsAre(std::pair(std::nullopt, 1U), std::pair(5U, 2U), std::pair(6U, 1U)));
  ASSERT_TRUE(read(other));
  ASSERT_EQ(sink_.counts.size(), 1U);
  EXPECT_EQ(sink_.counts.front().cgroup_id, std::nullopt);
}

TEST_F(BpfSourceTest, ARowHasWhatADiagnosisNeeds) {
  state_.tables[kConnections] = {{.net = 100,
                                  .state = TcpState::kCloseWait,
                                  .port = 8080,
                                  .cgroup = 9,
                                  .receive_queue = 3,
                                  .silent_ticks = 5 * kHz,
                                  .binding = WALK_BOUND_PORT | WALK_TRANSPARENT}};
  const auto fd = space(100);
  scan();
  ASSERT_TRUE(read(fd));
  ASSERT_EQ(sink_.rows.size(), 1U);
  const auto& row = sink_.rows.front();
  EXPECT_EQ(row.remote.port, 443);
  EXPECT_EQ(row.receive_queue, 3U);
  EXPECT_EQ(row.cgroup_id, 9U);
  EXPECT_EQ(row.last_ack_received_ms, 5000U);
  EXPECT_EQ(row.binding.port, true);
  EXPECT_EQ(row.binding.address, false);
  EXPECT_EQ(row.binding.transparent, true);
  ASSERT_TRUE(read(fd, {}));
  EXPECT_EQ(sink_.rows.front().last_ack_received_ms, std::nullopt);
}

TEST_F(BpfSourceTest, AnAckFromAfterTheWalkBeganIsNoAge) {
  state_.tables[kConnections] = {
      {.net = 100, .state = TcpState::kCloseWait, .silent_ticks = 0xFFFFFFFF}};
  const auto fd = space(100);
  scan();
  ASSERT_TRUE(read(fd));
  EXPECT_EQ(sink_.rows.front().last_ack_received_ms, 0U);
}

TEST_F(BpfSourceTest, ASocketIsKnownAgainAndALaterOneAtItsAddressIsAnother) {
  state_.tables[kConnections] = {{.net = 100, .state = TcpState::kCloseWait}};
  const auto fd = space(100);
  const auto cookie = [&] {
    scan();
    EXPECT_TRUE(read(fd));
    return sink_.rows.front().cookie;
  };
  const auto first = cookie();
  EXPECT_EQ(cookie(), first);
  state_.tables[kConnections].front().sequence = 8;
  EXPECT_NE(cookie(), first);
}

TEST_F(BpfSourceTest, APortThatCeasedToListenIsWatchedWhileItHasSockets) {
  state_.tables[kListeners] = {{.net = 100, .state = TcpState::kListen, .port = 80}};
  state_.tables[kConnections] = {{.net = 100, .port = 80}};
  const auto fd = space(100);
  scan();
  ASSERT_TRUE(read(fd));
  EXPECT_THAT(sink_.ports, IsEmpty());  // it listens: there is nothing to remember
  EXPECT_THAT(state_.watching, ::testing::Each(0U));
  state_.tables[kListeners].clear();
  for (int i = 0; i < 3; ++i) {
    scan();
    ASSERT_TRUE(read(fd));
    EXPECT_THAT(sink_.ports, ElementsAre(80));
  }
  state_.tables[kConnections].clear();
  scan();
  ASSERT_TRUE(read(fd));
  EXPECT_THAT(sink_.ports, IsEmpty());
  state_.tables[kConnections] = {{.net = 100, .port = 80}};
  scan();
  ASSERT_TRUE(read(fd));
  EXPECT_THAT(sink_.ports, IsEmpty());  // another's by now: forgotten is forgotten
}

TEST_F(BpfSourceTest, EachPortIsRememberedByItselfAndToldOnce) {
  const auto listens = [](std::uint64_t net, std::uint16_t port) {
    return FakeSocket{.net = net, .state = TcpState::kListen, .port = port};
  };
  state_.tables[kListeners] = {listens(100, 81), listens(100, 80), listens(200, 80),
                               listens(100, 81), listens(200, 79)};
  for (const std::uint64_t net : {100U, 200U}) {
    for (std::uint16_t port = 79; port <= 81; ++port) {
      state_.tables[kConnections].push_back({.net = net, .port = port});
    }
  }
  // Between a port's rows and the next port's, so that these have to be told from listeners.
  state_.tables[kConnections].push_back({.net = 100, .state = TcpState::kCloseWait, .port = 81});
  const auto first = space(100);
  const auto second = space(200);
  scan();
  for (const auto fd : {first, second, first}) ASSERT_TRUE(read(fd));
  state_.tables[kListeners] = {listens(100, 80), listens(200, 79)};
  for (int i = 0; i < 3; ++i) {
    scan();
    ASSERT_TRUE(read(second));
    EXPECT_THAT(sink_.ports, ElementsAre(80));
    ASSERT_TRUE(read(first));
    EXPECT_THAT(sink_.ports, ElementsAre(81));
    ASSERT_TRUE(read(first));
    EXPECT_THAT(sink_.ports, ElementsAre(81));
  }
}

TEST_F(BpfSourceTest, ThePortsOfAnEarlierNamespaceAtTheSameAddressAreForgotten) {
  state_.tables[kListeners] = {{.net = 100, .state = TcpState::kListen, .port = 80}};
  state_.tables[kConnections] = {{.net = 100, .port = 80}};
  scan();
  ASSERT_TRUE(read(space(100)));
  state_.tables[kListeners].clear();
  state_.cookies = 2;
  scan();
  ASSERT_TRUE(read(space(100)));
  EXPECT_THAT(sink_.ports, IsEmpty());
}

TEST_F(BpfSourceTest, ATableThatCannotBeReadMakesItsNamespacesIncomplete) {
  state_.tables[kConnections] = {{.net = 100}};
  const auto fd = space(100);
  state_.unreadable = true;
  scan();
  const auto reading = read(fd);
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kInterrupted);
  EXPECT_THAT(reading.error().what, HasSubstr("cannot be read"));
  state_.unreadable = false;
  scan();
  EXPECT_TRUE(read(fd));
}

/// The sockets of each namespace are in chains of their own, by turns: 8 of them.
class LongChainTest : public BpfSourceTest {
 protected:
  LongChainTest() {
    state_.long_chains = true;
    for (int i = 0; i < 5; ++i) {
      for (const std::uint64_t net : {100U, 200U, 100U, 200U, 100U, 200U, 100U, 200U}) {
        state_.tables[kConnections].push_back({.net = net});
      }
    }
  }
  /// What becomes of all attempts at the chains of namespace 200.
  void let_200_end(walk_end end) {
    for (const std::uint64_t bucket : {1U, 3U, 5U, 7U}) {
      state_.ends[bucket].assign(WALK_ATTEMPTS, end);
    }
  }

  int first_ = space(100);
  int second_ = space(200);
};

TEST_F(LongChainTest, IsFollowedToItsEnd) {
  auto& sockets = state_.tables[kConnections];
  sockets[8] = {.net = 100, .state = TcpState::kCloseWait, .port = 80};
  sockets[16] = {.net = 200, .state = TcpState::kFinWait2};
  scan();
  ASSERT_TRUE(read(first_));
  EXPECT_EQ(counted(TcpState::kEstablished), 18U);
  ASSERT_EQ(sink_.rows.size(), 1U);
  EXPECT_EQ(sink_.rows.front().local.port, 80);
  ASSERT_TRUE(read(second_));
  EXPECT_EQ(counted(TcpState::kEstablished), 20U);
  EXPECT_EQ(counted(TcpState::kFinWait2), 1U);
  EXPECT_THAT(sink_.rows, IsEmpty());
}

TEST_F(LongChainTest, ThatLedAwayIsReadAgainAndCountedOnce) {
  state_.tables[kConnections][8] = {.net = 100, .state = TcpState::kCloseWait};
  state_.ends[0].assign(WALK_ATTEMPTS - 1, WALK_LED_AWAY);
  scan();
  ASSERT_TRUE(read(first_));
  EXPECT_EQ(counted(TcpState::kEstablished), 19U);
  EXPECT_EQ(sink_.rows.size(), 1U);
  EXPECT_THAT(state_.ends[0], IsEmpty());
}

TEST_F(LongChainTest, InWhichASocketWasToldTwiceIsReadAgain) {
  state_.front_comes_again = true;
  scan();
  ASSERT_TRUE(read(first_));
  EXPECT_EQ(counted(TcpState::kEstablished), 20U);
}

TEST_F(LongChainTest, ThatChangesEachTimeCostsOnlyThoseInIt) {
  let_200_end(WALK_LED_AWAY);
  scan();
  ASSERT_TRUE(read(first_));
  EXPECT_EQ(counted(TcpState::kEstablished), 20U);
  const auto reading = read(second_);
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kInterrupted);
  EXPECT_THAT(reading.error().what, HasSubstr("changed each of the 16 times"));
  EXPECT_THAT(reading.error().what, HasSubstr("take engine inet_diag"));
  scan();
  EXPECT_TRUE(read(second_));
}

TEST_F(LongChainTest, ThatIsTooLongCostsOnlyThoseInIt) {
  auto& sockets = state_.tables[kConnections];
  // One chain grows, and 300's only socket is the last in it.
  while (sockets.size() < std::size_t{40} * 8) {
    sockets.push_back({.net = sockets.size() % 8 == 1 ? 200U : 0U});
  }
  sockets[39 * 8 + 1].net = 300;
  scan();
  ASSERT_TRUE(read(first_));
  EXPECT_EQ(counted(TcpState::kEstablished), 20U);
  for (const auto concerned : {second_, space(300)}) {
    const auto reading = read(concerned);
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().kind, ErrorKind::kInterrupted);
    EXPECT_THAT(reading.error().what, HasSubstr("longer than the 30"));
    EXPECT_THAT(reading.error().what, HasSubstr("tcp_child_ehash_entries"));
  }
}

TEST_F(LongChainTest, ThatIsACircleIsLeft) {
  state_.circle = 0;
  scan();
  EXPECT_FALSE(read(first_));
  EXPECT_TRUE(read(second_));
}

TEST_F(BpfSourceTest, WhoHasMoreRowsThanThereIsRoomForIsIncompleteAndTheOthersAreNot) {
  const auto first = space(100);
  const auto second = space(200);
  for (const bool in_chains : {false, true}) {
    SCOPED_TRACE(in_chains);
    state_.long_chains = in_chains;
    auto& sockets = state_.tables[kConnections];
    sockets = {{.net = 100, .state = TcpState::kCloseWait},
               {.net = 100, .state = TcpState::kCloseWait}};
    for (int i = 0; i < 100; ++i) {
      sockets.push_back({.net = 200, .state = TcpState::kCloseWait});
    }
    sockets.push_back({.net = 100, .state = TcpState::kCloseWait});
    scan();
    const auto reading = read(second);
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().kind, ErrorKind::kInterrupted);
    EXPECT_THAT(reading.error().what, HasSubstr("room for 20 sockets in CLOSE_WAIT or LISTEN"));
    EXPECT_THAT(reading.error().what, HasSubstr("inet_diag"));
    ASSERT_TRUE(read(first));
    EXPECT_EQ(sink_.rows.size(), 3U);
  }
}

TEST_F(BpfSourceTest, WhatFoundNoGroupIsCountedAllTheSame) {
  state_.grouped = false;
  state_.tables[kConnections] = {{.net = 100, .cgroup = 5},
                                 {.net = 100, .cgroup = 5},
                                 {.net = 100, .state = TcpState::kCloseWait, .cgroup = 6},
                                 {.net = 100, .cgroup = 6},
                                 {.net = 200, .cgroup = 7},
                                 {.net = 200, .cgroup = 8}};
  const auto shared = space(100);
  const auto other = space(200);
  scan(shared);
  ASSERT_TRUE(read(shared));
  std::map<std::optional<std::uint64_t>, std::uint64_t> by_cgroup;
  for (const auto& count : sink_.counts) by_cgroup[count.cgroup_id] += count.sockets;
  EXPECT_THAT(by_cgroup, ElementsAre(std::pair(5U, 2U), std::pair(6U, 1U)));
  ASSERT_EQ(sink_.rows.size(), 1U);
  EXPECT_EQ(sink_.rows.front().cgroup_id, 6U);
  ASSERT_TRUE(read(other));
  ASSERT_EQ(sink_.counts.size(), 1U);
  EXPECT_EQ(sink_.counts.front().sockets, 2U);
  EXPECT_EQ(sink_.counts.front().cgroup_id, std::nullopt);
}

TEST_F(BpfSourceTest, APortIsRememberedWhenItsNamespaceCouldNotBeRead) {
  state_.tables[kListeners] = {{.net = 100, .state = TcpState::kListen, .port = 80}};
  state_.tables[kConnections] = {{.net = 100, .port = 80}};
  const auto fd = space(100);
  scan();
  ASSERT_TRUE(read(fd));
  state_.tables[kListeners].clear();
  state_.long_chains = true;
  state_.ends[0].assign(WALK_ATTEMPTS, WALK_LED_AWAY);
  scan();
  ASSERT_FALSE(read(fd));
  scan();
  ASSERT_TRUE(read(fd));
  EXPECT_THAT(sink_.ports, ElementsAre(80));
}

TEST_F(BpfSourceTest, ANamespaceAtTheAddressOfAnEarlierOneIsIncomplete) {
  state_.tables[kConnections] = {{.net = 100}};
  const auto fd = space(100);
  for (auto& [inode, found] : state_.namespaces) found.cookie = 4711;
  for (const bool grouped : {true, false}) {
    state_.grouped = grouped;
    scan();
    const auto reading = read(fd);
    ASSERT_FALSE(reading) << grouped;
    EXPECT_EQ(reading.error().kind, ErrorKind::kInterrupted);
  }
}

TEST_F(BpfSourceTest, ADescriptorThatIsNoNamespaceIsAnError) {
  const auto fd = space(100);
  state_.namespaces.clear();
  scan();
  const auto reading = read(fd);
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kUnsupported);
}

TEST_F(BpfSourceTest, AWalkThatDoesNotAdvanceEnds) {
  state_.stuck = true;
  const auto fd = space(100);
  scan();
  EXPECT_FALSE(read(fd));
}

TEST(TicksPerSecond, AreToldByTheKernelsClocks) {
  for (const unsigned hz : {100U, 250U, 300U, 1000U}) {
    const std::uint64_t first = 0x1'0000'0000U - std::uint64_t{300} * hz;
    for (const std::uint64_t seconds : {60U, 200U, 400U, 100'000U, 100'000'000U}) {
      EXPECT_EQ(ticks_per_second(first + seconds * hz, seconds * 1'000'000'000), hz)
          << hz << " " << seconds;
    }
  }
  EXPECT_EQ(ticks_per_second(0, 1'000'000'000), std::nullopt);
  // What would be right at 300 seconds for one is right for all.
  EXPECT_EQ(ticks_per_second(0x1'0000'0000U, 300'000'000'000), std::nullopt);
}

}  // namespace
}  // namespace closewatch
