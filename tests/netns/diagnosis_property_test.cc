// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/network_namespace.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

/// Random histories over several namespaces, lived by real sockets and told to a model at the same
/// time; whatever the agent says of them must be what the model says.

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using testing::AgentScanner;
using testing::Connection;
using testing::kWires;
using testing::Listener;
using testing::NetworkNamespace;
using testing::Wire;

constexpr std::size_t kPeers = 2;
/// Two scans later a socket is stuck, one scan later it is not; the test itself takes far less time
/// than what is between, on a busy machine too.
constexpr auto kBetweenScans = 4000s;
constexpr auto kStuckAfter = 6000s;

/// The real clock, put forward.
class ForwardClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override {
    return real_.steady_now() + forward;
  }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override {
    return real_.wall_now();
  }
  [[nodiscard]] std::chrono::nanoseconds thread_cpu() const override { return real_.thread_cpu(); }

  std::chrono::seconds forward{};

 private:
  SystemClock real_;
};

using Random = std::mt19937_64;

std::size_t pick(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

/// A connection's two ends, both of which the test holds until it closes them.
struct Link {
  enum class End : std::uint8_t { kNone, kClient, kServer };

  Connection sockets;  ///< `server` is empty until accept()
  Wire wire{};
  std::uint16_t port = 0;  ///< the listener's
  bool accepted = false;
  End ended_by = End::kNone;  ///< who has sent its FIN; the other is in CLOSE_WAIT
  std::size_t unread = 0;     ///< of the one in CLOSE_WAIT
  bool read_to_end = false;   ///< likewise
  unsigned scans = 0;         ///< that have seen it in CLOSE_WAIT, of this agent

  [[nodiscard]] bool leaks() const { return ended_by != End::kNone; }
  [[nodiscard]] bool leaks_inbound() const { return ended_by == End::kClient; }
  [[nodiscard]] OwedCall owes() const {
    if (leaks_inbound() && !accepted) return OwedCall::kAccept;
    return read_to_end ? OwedCall::kClose : OwedCall::kRead;
  }
  [[nodiscard]] UniqueFd& leaking() { return leaks_inbound() ? sockets.server : sockets.client; }
};

struct OpenListener {
  Listener listener;
  Wire wire{};
  std::deque<std::list<Link>::iterator> waiting;  ///< for accept(), the next first
};

/// A namespace, its sockets, and what is true of them.
class Household {
 public:
  explicit Household(std::size_t number) : space_("property" + std::to_string(number)) {}

  [[nodiscard]] const std::string& name() const { return space_.name(); }

  /// Does one random thing.
  void live(Random& random) {
    space_.run([&] {
      constexpr std::array<void (Household::*)(Random&), 9> kDeeds = {
          &Household::listen, &Household::open,   &Household::open,
          &Household::open,   &Household::accept, &Household::end,
          &Household::end,    &Household::read,   &Household::close,
      };
      (this->*kDeeds.at(pick(random, kDeeds.size())))(random);
      if (pick(random, 20) == 0) close_listener(random);
    });
  }

  /// Waits until the kernel has done all that was asked of it.
  void settle() const {
    testing::wait_until("ss agrees with the model on " + name(), [&] {
      const auto states = testing::ss_counts(name()).states;
      return states.of(TcpState::kCloseWait) == leaks() &&
             states.of(TcpState::kEstablished) == established() &&
             states.of(TcpState::kListen) == listeners_.size() &&
             states.of(TcpState::kLastAck) + states.of(TcpState::kFinWait1) == 0;
    });
  }

  /// Compares what a scan of now has found.
  void check(const PodSnapshot& pod) {
    note_scan();
    const auto& found = pod.diagnosis;
    EXPECT_EQ(pod.sums.states.of(TcpState::kCloseWait), leaks());
    EXPECT_EQ(pod.sums.states.of(TcpState::kEstablished), established());
    EXPECT_EQ(pod.sums.states.of(TcpState::kListen), listeners_.size());
    check_against_ss(pod.sums);
    ASSERT_EQ(found.containers.size(), 1U);
    for (const auto direction : kDirections) {
      for (const auto owes : kOwedCalls) {
        const auto expected = count([&](const Link& link) {
          return direction_of(link) == direction && link.owes() == owes;
        });
        EXPECT_EQ(found.containers[0].of(direction, owes), expected)
            << name_of(direction) << " " << name_of(owes);
      }
    }
    EXPECT_EQ(found.stuck(), count([](const Link& link) { return is_stuck(link); }));
    EXPECT_EQ(found.unread_bytes, unread());
    EXPECT_EQ(found.entered, entered_);
    EXPECT_EQ(found.left, left_);
    EXPECT_EQ(found.sockets.size(), leaks());
    check_oldest(found.oldest);
    check_peers(found.peers);
  }

  /// The agent starts anew and knows nothing of before.
  void forget() {
    known_ports_.clear();
    watched_ = false;
    entered_ = 0;
    gone_ = missing_ = left_ = 0;
    seen_.clear();
    for (auto& link : links_) link.scans = 0;
  }

 private:
  static bool is_stuck(const Link& link) { return link.scans >= 3; }

  template <typename Predicate>
  [[nodiscard]] std::uint64_t count(const Predicate& holds) const {
    return static_cast<std::uint64_t>(
        std::count_if(links_.begin(), links_.end(),
                      [&](const Link& link) { return link.leaks() && holds(link); }));
  }
  [[nodiscard]] std::uint64_t leaks() const {
    return count([](const Link&) { return true; });
  }
  /// Both ends, in the same namespace; a server's end is one before accept(), too.
  [[nodiscard]] std::uint64_t established() const { return 2 * (links_.size() - leaks()); }
  [[nodiscard]] std::uint64_t unread() const {
    std::uint64_t sum = 0;
    for (const auto& link : links_) sum += link.leaks() ? link.unread : 0;
    return sum;
  }
  [[nodiscard]] Direction direction_of(const Link& link) const {
    const bool known = link.leaks_inbound() &&
                       (known_ports_.contains(link.port) || link.owes() == OwedCall::kAccept);
    return known ? Direction::kInbound : Direction::kOutbound;
  }

  /// What a scan of this moment adds to what the agent knows.
  void note_scan() {
    std::set<std::uint16_t> in_use;
    for (const auto& row : testing::ss_rows(name())) {
      if (row.state != TcpState::kListen) in_use.insert(row.local.port);
    }
    std::erase_if(known_ports_, [&](std::uint16_t port) { return !in_use.contains(port); });
    for (const auto& [port, listener] : listeners_) known_ports_.insert(port);

    std::set<const Link*> now;
    for (auto& link : links_) {
      if (!link.leaks()) continue;
      now.insert(&link);
      ++link.scans;
      if (watched_ && !seen_.contains(&link)) ++entered_;
    }
    left_ += missing_;  // who is not there twice has left
    missing_ = std::exchange(gone_, 0);
    for (const auto* const link : seen_) missing_ += now.contains(link) ? 0U : 1U;
    seen_ = std::move(now);
    watched_ = true;
  }

  /// All but TIME_WAIT, which ends by itself at any moment.
  void check_against_ss(const SocketSums& sums) const {
    const auto theirs = testing::ss_counts(name());
    EXPECT_EQ(sums.listeners, theirs.listeners);
    for (const auto state : kTcpStates) {
      if (state == TcpState::kTimeWait) continue;
      EXPECT_EQ(sums.states.of(state), theirs.states.of(state)) << name_of(state);
    }
  }

  void check_oldest(std::chrono::milliseconds oldest) const {
    unsigned scans = 0;
    for (const auto& link : links_) scans = std::max(scans, link.scans);
    const auto least = scans == 0 ? 0s : (scans - 1) * kBetweenScans;
    EXPECT_GE(oldest, least);
    EXPECT_LT(oldest, least + kBetweenScans / 2);
  }

  void check_peers(const std::vector<PeerSums>& found) const {
    std::map<std::pair<Direction, std::string>, std::pair<std::uint64_t, std::uint64_t>> peers;
    for (const auto& link : links_) {
      if (!link.leaks()) continue;
      const auto direction = direction_of(link);
      std::string peer = link.wire == Wire::kIpv6 ? "[::1]" : "127.0.0.1";
      if (direction == Direction::kOutbound) {
        // Of a server's end whose listener the agent has not known, the peer's port is the
        // client's.
        if (link.leaks_inbound()) continue;
        peer += ":" + std::to_string(link.port);
      }
      auto& [stuck, sockets] = peers[{direction, peer}];
      stuck += is_stuck(link) ? 1U : 0U;
      ++sockets;
    }
    std::uint64_t total = 0;
    std::size_t named = 0;
    std::pair<std::uint64_t, std::uint64_t> last(~0ULL, ~0ULL);
    for (const auto& peer : found) {
      total += peer.sockets;
      if (peer.peer == kOtherPeers) continue;
      ++named;
      const auto sums = std::pair(peer.stuck, peer.sockets);
      EXPECT_LE(sums, last);
      last = sums;
      const auto known = peers.find({peer.direction, peer.peer});
      if (known != peers.end()) {
        EXPECT_EQ(known->second, sums) << peer.peer;
      }
    }
    EXPECT_EQ(total, leaks());
    EXPECT_LE(named, kPeers);
    // Nobody who is worse than those that are named has been left out.
    for (const auto& peer : peers) {
      const bool is_named = std::any_of(found.begin(), found.end(), [&](const PeerSums& one) {
        return std::pair(one.direction, one.peer) == peer.first;
      });
      if (is_named) continue;
      EXPECT_EQ(named, kPeers);
      EXPECT_LE(peer.second, last) << peer.first.second;
    }
  }

  void listen(Random& random) {
    constexpr std::uint16_t kFirstPort = 2'000;  // below those that clients are given
    const auto port = static_cast<std::uint16_t>(kFirstPort + pick(random, 6));
    if (listeners_.contains(port)) return;
    const auto wire = kWires.at(pick(random, kWires.size()));
    listeners_.emplace(port, OpenListener{testing::listen_on(wire, 128, port), wire, {}});
  }

  /// Only when nobody waits: those the kernel would reset.
  void close_listener(Random& random) {
    if (listeners_.empty()) return;
    const auto listener =
        std::next(listeners_.begin(), static_cast<std::ptrdiff_t>(pick(random, listeners_.size())));
    if (listener->second.waiting.empty()) listeners_.erase(listener);
  }

  void open(Random& random) {
    if (listeners_.empty()) return;
    auto& [port, to] = *std::next(listeners_.begin(),
                                  static_cast<std::ptrdiff_t>(pick(random, listeners_.size())));
    auto& link = links_.emplace_back();
    link.wire = to.wire;
    link.port = port;
    link.sockets.client = testing::connect_to(to.wire, port);
    to.waiting.push_back(std::prev(links_.end()));
  }

  void accept(Random& random) {
    std::vector<OpenListener*> busy;
    for (auto& [port, listener] : listeners_) {
      if (!listener.waiting.empty()) busy.push_back(&listener);
    }
    if (busy.empty()) return;
    auto& listener = *busy[pick(random, busy.size())];
    auto& link = *listener.waiting.front();
    link.sockets.server = testing::accept_from(listener.listener);
    link.accepted = true;
    listener.waiting.pop_front();
  }

  /// One end sends some data and its FIN.
  void end(Random& random) {
    auto* const link = any(random, [](const Link& one) { return !one.leaks(); });
    if (link == nullptr) return;
    const bool by_client = !link->accepted || pick(random, 2) == 0;
    const auto& ending = by_client ? link->sockets.client : link->sockets.server;
    if (pick(random, 2) == 0) {
      link->unread = 1 + pick(random, 500);
      testing::send_bytes(ending, link->unread);
    }
    testing::half_close(ending);
    link->ended_by = by_client ? Link::End::kClient : Link::End::kServer;
  }

  void read(Random& random) {
    auto* const link =
        any(random, [](const Link& one) { return one.leaks() && one.owes() == OwedCall::kRead; });
    if (link == nullptr) return;
    testing::read_to_end(link->leaking());
    link->unread = 0;
    link->read_to_end = true;
  }

  /// The application closes at last; unread data would make that a reset, which is as good.
  void close(Random& random) {
    auto* const link =
        any(random, [](const Link& one) { return one.leaks() && one.owes() != OwedCall::kAccept; });
    if (link == nullptr) return;
    seen_dead(link);
    link->leaking() = UniqueFd();
    links_.remove_if([&](const Link& one) { return &one == link; });
  }

  /// Another link may get the same place in memory.
  void seen_dead(const Link* link) {
    if (seen_.erase(link) > 0) ++gone_;
  }

  template <typename Predicate>
  Link* any(Random& random, const Predicate& suits) {
    std::vector<Link*> suiting;
    for (auto& link : links_) {
      if (suits(link)) suiting.push_back(&link);
    }
    return suiting.empty() ? nullptr : suiting[pick(random, suiting.size())];
  }

  NetworkNamespace space_;
  std::map<std::uint16_t, OpenListener> listeners_;
  std::list<Link> links_;
  std::set<std::uint16_t> known_ports_;
  std::set<const Link*> seen_;  ///< in CLOSE_WAIT in the last scan
  bool watched_ = false;
  std::uint64_t entered_ = 0;
  std::uint64_t gone_ = 0;     ///< since the last scan
  std::uint64_t missing_ = 0;  ///< in the last scan for the first time
  std::uint64_t left_ = 0;
};

class DiagnosisProperty : public ::testing::TestWithParam<unsigned> {};

TEST_P(DiagnosisProperty, EveryNumberEqualsTheModels) {
  constexpr std::size_t kHouseholds = 6;
  constexpr std::size_t kRounds = 40;
  constexpr std::size_t kDeedsBetweenScans = 30;
  Random random(GetParam());
  std::deque<Household> households;
  for (std::size_t i = 0; i < kHouseholds; ++i) households.emplace_back(i);
  auto config = AgentScanner::config_for(PodDiscovery::kStandalone);
  config.diagnosis.peers = kPeers;
  config.diagnosis.stuck_after = kStuckAfter;
  config.diagnosis.sockets = 100'000;
  ForwardClock clock;
  auto scanner = std::make_unique<AgentScanner>(config, &clock);
  for (std::size_t round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    for (std::size_t i = 0; i < kDeedsBetweenScans; ++i) {
      households[pick(random, kHouseholds)].live(random);
    }
    for (const auto& household : households) household.settle();
    if (pick(random, 15) == 0) {
      scanner = std::make_unique<AgentScanner>(config, &clock);
      for (auto& household : households) household.forget();
    }
    clock.forward += kBetweenScans;
    scanner->scan();
    for (auto& household : households) {
      SCOPED_TRACE(household.name());
      household.check(scanner->last_visible(household.name()));
    }
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DiagnosisProperty, ::testing::Range(1U, 5U));

}  // namespace
}  // namespace closewatch
