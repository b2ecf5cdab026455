// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/scanner.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_proc.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/held/held_sockets.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeClock;
using testing::FakeProc;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

/// Lists what the test put in.
class FakePods final : public PodSource {
 public:
  struct State {
    std::vector<Pod> pods;
    std::optional<Error> failure;
    std::optional<Error> node_failure;
    std::vector<Error> errors;
    std::vector<Error> name_errors;
  };
  explicit FakePods(State& state) : state_(state) {}

  Result<PodList> list() override {
    if (state_.failure) return tl::unexpected(*state_.failure);
    PodList list;
    list.pods = state_.pods;
    list.node = ProcessRef{.pid = 1, .start_time = {}};
    if (state_.node_failure) list.node = tl::unexpected(*state_.node_failure);
    list.errors = state_.errors;
    list.name_errors = state_.name_errors;
    return list;
  }

 private:
  State& state_;
};

/// Rows by the inode of the file that stands for a namespace; an error where the test wants one.
class FakeSockets final : public SocketSource {
 public:
  struct State {
    std::map<ino_t, std::vector<TcpState>> rows;
    std::map<ino_t, std::vector<SocketRow>>
        detailed;  ///< after those of which only the state matters
    std::optional<std::uint64_t> cookie;
    std::map<ino_t, Error> failures;
  };
  FakeSockets(State& state, FakeClock& clock) : state_(state), clock_(clock) {}

  void begin_scan(std::optional<int> /*split*/) override {}
  Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                             RowSink& sink) override {
    clock_.steady += 3ms;
    clock_.cpu += 2ms;
    struct stat status {};
    ::fstat(network_namespace, &status);
    sink.restart();
    for (const auto tcp_state : state_.rows[status.st_ino]) {
      SocketRow row;
      row.state = tcp_state;
      sink.row(row);
    }
    for (auto row : state_.detailed[status.st_ino]) {
      if (!query.tcp_info) row.last_ack_received_ms.reset();
      sink.row(row);
    }
    // A failure comes after rows, as in a dump that breaks off.
    const auto failure = state_.failures.find(status.st_ino);
    if (failure != state_.failures.end()) return tl::unexpected(failure->second);
    return SocketReading{state_.cookie};
  }

 private:
  State& state_;
  FakeClock& clock_;
};

class ScannerTest : public ::testing::Test {
 protected:
  ScannerTest() {
    add_pod("cart", 10, "cart-ns");
    add_pod("api", 20, "api-ns");
    sockets_.rows[inode("host")] = {TcpState::kListen};
    sockets_.rows[inode("cart-ns")] = {TcpState::kCloseWait, TcpState::kCloseWait};
    sockets_.rows[inode("api-ns")] = {TcpState::kEstablished};
  }

  Pod& add_pod(const std::string& name, pid_t pid, const std::string& network_namespace) {
    proc_.process(pid, name, "0::/\n", network_namespace);
    Pod pod;
    pod.pod_namespace = "shop";
    pod.name = name;
    pod.uid = "uid-" + name;
    struct stat status {};
    ::stat(proc_.tree().path("namespaces/" + network_namespace).c_str(), &status);
    pod.located =
        LocatedNamespace{ProcessRef{.pid = pid, .start_time = {}}, {status.st_dev, status.st_ino}};
    return pods_.pods.emplace_back(std::move(pod));
  }

  [[nodiscard]] ino_t inode(const std::string& network_namespace) const {
    struct stat status {};
    ::stat(proc_.tree().path("namespaces/" + network_namespace).c_str(), &status);
    return status.st_ino;
  }

  std::shared_ptr<const Snapshot> scan() {
    return scanner_.scan([] { return true; });
  }

  static std::uint64_t errors(const Snapshot& snapshot, ScanStage stage) {
    return snapshot.errors.at(static_cast<std::size_t>(stage));
  }

  static const PodSnapshot& pod(const Snapshot& snapshot, const char* name) {
    for (const auto& pod : snapshot.pods) {
      if (pod.name == name) return pod;
    }
    throw std::runtime_error(std::string("no pod ") + name);
  }

  std::unique_ptr<Scanner> filtered(NamespaceFilter namespaces) {
    ScanSettings settings{Pacer(10s, 0.01, 60s), {}};
    settings.namespaces = std::move(namespaces);
    return std::make_unique<Scanner>(std::make_unique<FakePods>(pods_),
                                     NamespaceOpener(proc_.path()), SocketOwners(proc_.path()),
                                     std::make_unique<FakeSockets>(sockets_, clock_),
                                     std::move(settings), clock_);
  }

  FakeProc proc_;
  FakeClock clock_;
  FakePods::State pods_;
  FakeSockets::State sockets_;
  Scanner scanner_{
      std::make_unique<FakePods>(pods_), NamespaceOpener(proc_.path()),
      SocketOwners(proc_.path()),        std::make_unique<FakeSockets>(sockets_, clock_),
      {Pacer(10s, 0.01, 60s), {}},       clock_};
};

TEST_F(ScannerTest, CountsPodsAndNodeAndSortsByName) {
  const auto snapshot = scan();
  ASSERT_EQ(snapshot->pods.size(), 2U);
  EXPECT_EQ(snapshot->pods[0].name, "api");
  EXPECT_EQ(snapshot->pods[0].sums.states.of(TcpState::kEstablished), 1U);
  EXPECT_EQ(snapshot->pods[0].sums.states.of(TcpState::kCloseWait), 0U);
  EXPECT_EQ(snapshot->pods[1].name, "cart");
  EXPECT_EQ(snapshot->pods[1].sums.states.of(TcpState::kCloseWait), 2U);
  EXPECT_EQ(snapshot->pods[1].visibility, Visibility::kVisible);
  ASSERT_TRUE(snapshot->node);
  EXPECT_EQ(snapshot->node->of(TcpState::kListen), 1U);
  EXPECT_TRUE(snapshot->complaints.empty());
}

TEST_F(ScannerTest, PodsOfAnExcludedNamespaceAreNotReadAndSaySo) {
  add_pod("logger", 30, "logger-ns").pod_namespace = "kube-system";
  sockets_.rows[inode("logger-ns")] = {TcpState::kCloseWait};
  // A visitor gets none of its sockets, and who has no name may be anybody's.
  auto& nameless = add_pod("uid-x", 40, "x-ns");
  nameless.pod_namespace = "unknown";
  nameless.named = false;
  sockets_.rows[inode("x-ns")] = {TcpState::kEstablished};
  auto scanner = filtered({*NamePatterns::parse("shop"), {}});
  const auto before = clock_.cpu;
  const auto snapshot = scanner->scan([] { return true; });
  EXPECT_EQ(pod(*snapshot, "logger").visibility, Visibility::kExcluded);
  EXPECT_THAT(pod(*snapshot, "logger").detail, HasSubstr("pods.namespaces"));
  EXPECT_EQ(pod(*snapshot, "logger").sums, SocketSums{});
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kVisible);
  EXPECT_EQ(pod(*snapshot, "uid-x").visibility, Visibility::kVisible);
  EXPECT_EQ(clock_.cpu - before, 8ms) << "three pods and the node";
}

TEST_F(ScannerTest, AnExcludedPodIsExcludedWhateverElseIsWrongWithIt) {
  proc_.tree().remove("proc/10");
  EXPECT_EQ(pod(*filtered({{}, *NamePatterns::parse("shop")})->scan([] { return true; }), "cart")
                .visibility,
            Visibility::kExcluded);
  pods_.failure = Error{ErrorKind::kSystem, "no /sys"};
  auto scanner = filtered({{}, *NamePatterns::parse("sh*")});
  pods_.failure.reset();
  scanner->scan([] { return true; });
  pods_.failure = Error{ErrorKind::kSystem, "no /sys"};
  const auto snapshot = scanner->scan([] { return true; });
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kExcluded);
  EXPECT_EQ(errors(*snapshot, ScanStage::kNamespace), 0U);
}

TEST_F(ScannerTest, AVisitorOfAnExcludedPodGetsNoneOfItsSockets) {
  add_pod("a-visitor", 50, "cart-ns").pod_namespace = "debug";
  auto scanner = filtered({{}, *NamePatterns::parse("shop")});
  const auto snapshot = scanner->scan([] { return true; });
  EXPECT_EQ(pod(*snapshot, "a-visitor").visibility, Visibility::kHostNetwork);
  EXPECT_EQ(pod(*snapshot, "a-visitor").sums, SocketSums{});
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kExcluded);
}

TEST_F(ScannerTest, TellsWhatItCost) {
  const auto first = scan();
  EXPECT_EQ(first->duration, 9ms);
  EXPECT_EQ(first->cpu, 6ms);
  EXPECT_EQ(first->interval, 10s);
  const auto second = scan();
  EXPECT_EQ(second->cpu_total, 12ms);
  EXPECT_EQ(second->taken_at_steady, clock_.steady);
}

TEST_F(ScannerTest, KeepsATrendOfEachPodThatIsBrokenWhereItWasNotCounted) {
  scan();
  clock_.steady += 1min;
  sockets_.rows[inode("cart-ns")].push_back(TcpState::kCloseWait);
  sockets_.failures.emplace(inode("api-ns"), Error{ErrorKind::kInterrupted, "changed"});
  const auto snapshot = scan();
  const auto cart = pod(*snapshot, "cart").trend.points();
  EXPECT_EQ(cart.at(Trend::kMinutes - 2), 2U);
  EXPECT_EQ(cart.at(Trend::kMinutes - 1), 3U);
  const auto api = pod(*snapshot, "api").trend.points();
  EXPECT_EQ(api.at(Trend::kMinutes - 2), 0U);
  EXPECT_EQ(api.at(Trend::kMinutes - 1), std::nullopt);
}

TEST_F(ScannerTest, AnInterruptedPodIsIncompleteAndCostsNoOtherPod) {
  sockets_.failures.emplace(inode("cart-ns"), Error{ErrorKind::kInterrupted, "changed"});
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kIncomplete);
  EXPECT_EQ(pod(*snapshot, "cart").detail, "changed");
  EXPECT_EQ(pod(*snapshot, "cart").sums, SocketSums{});
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kVisible);
  EXPECT_EQ(errors(*snapshot, ScanStage::kSockets), 1U);
}

TEST_F(ScannerTest, ADeniedPodIsDenied) {
  sockets_.failures.emplace(inode("cart-ns"), Error{ErrorKind::kDenied, "no"});
  EXPECT_EQ(pod(*scan(), "cart").visibility, Visibility::kDenied);
}

TEST_F(ScannerTest, AMalformedAnswerCountsAsDecoding) {
  sockets_.failures.emplace(inode("cart-ns"), Error{ErrorKind::kMalformed, "lies"});
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kIncomplete);
  EXPECT_EQ(errors(*snapshot, ScanStage::kDecode), 1U);
}

TEST_F(ScannerTest, APodThatVanishedInMidScanHasNoProcess) {
  proc_.tree().remove("proc/10");
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kNoProcess);
  EXPECT_EQ(errors(*snapshot, ScanStage::kNamespace), 0U) << "pods end, and nothing is wrong";
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kVisible);
}

TEST_F(ScannerTest, ErrorsAddUpOverScans) {
  sockets_.failures.emplace(inode("cart-ns"), Error{ErrorKind::kDenied, "no"});
  scan();
  EXPECT_EQ(errors(*scan(), ScanStage::kSockets), 2U);
}

TEST_F(ScannerTest, TheEngineIsNamedWhereItAndNotTheNodeIsWhyAHostNetworkPodHasNoCounts) {
  add_pod("proxy", 30, "host");
  EXPECT_THAT(pod(*scan(), "proxy").detail, HasSubstr("without cgroup v2"));
  constexpr bool kAskDescriptors = false;
  Scanner as_text(std::make_unique<FakePods>(pods_), NamespaceOpener(proc_.path()),
                  SocketOwners(proc_.path()), std::make_unique<FakeSockets>(sockets_, clock_),
                  {Pacer(10s, 0.01, 60s), {}, kAskDescriptors}, clock_);
  const auto snapshot = as_text.scan([] { return true; });
  EXPECT_THAT(pod(*snapshot, "proxy").detail,
              AllOf(HasSubstr("engine procfs"), Not(HasSubstr("cgroup v2"))));
}

TEST_F(ScannerTest, AHostNetworkPodIsNotBlamedForTheNode) {
  add_pod("proxy", 30, "host");
  const auto snapshot = scan();
  const auto& proxy = pod(*snapshot, "proxy");
  EXPECT_TRUE(proxy.host_network);
  EXPECT_EQ(proxy.visibility, Visibility::kHostNetwork);
  EXPECT_EQ(proxy.sums, SocketSums{});
  EXPECT_EQ(errors(*snapshot, ScanStage::kNamespace), 0U);
}

TEST_F(ScannerTest, ASandboxedPodShowsNoFalseZeros) {
  proc_.tree().add("cgroup/sandbox/cgroup.procs", "40\n");
  proc_.process(40, "runsc-sandbox", "0::/sandbox\n", "sandbox-ns");
  Pod sandboxed;
  sandboxed.pod_namespace = "shop";
  sandboxed.name = "boxed";
  sandboxed.containers.resize(1);
  sandboxed.containers[0].cgroup_directories = {{proc_.tree().path("cgroup/sandbox"), false}};
  pods_.pods.push_back(sandboxed);
  EXPECT_EQ(pod(*scan(), "boxed").visibility, Visibility::kSandboxed);
}

TEST_F(ScannerTest, APodThatWentWithAScanThatWasDroppedIsShownUntilPodsCanBeListedAgain) {
  scan();
  const auto pods = std::exchange(pods_.pods, {});
  int asked = 0;
  EXPECT_EQ(scanner_.scan([&] { return ++asked < 2; }), nullptr);
  pods_.failure = Error{ErrorKind::kSystem, "no /sys"};
  const auto snapshot = scan();
  ASSERT_EQ(snapshot->pods.size(), pods.size());
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kIncomplete);
}

TEST_F(ScannerTest, ANamespaceOfTwoPodsIsNobodysOwn) {
  add_pod("a-stranger", 30, "cart-ns");  // is read before api, which is read before cart
  const auto snapshot = scan();
  for (const auto* const name : {"cart", "a-stranger"}) {
    EXPECT_EQ(pod(*snapshot, name).visibility, Visibility::kHostNetwork) << name;
    EXPECT_EQ(pod(*snapshot, name).sums, SocketSums{}) << name;
  }
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kVisible);
}

TEST_F(ScannerTest, OutsideTheHostsPidNamespaceThereIsNoNodeEither) {
  proc_.tree().add("cgroup/outside/cgroup.procs", "0\n");
  Pod outside;
  outside.pod_namespace = "shop";
  outside.name = "outside";
  outside.containers.resize(1);
  outside.containers[0].cgroup_directories = {{proc_.tree().path("cgroup/outside"), false}};
  pods_.pods.push_back(outside);
  const auto snapshot = scan();
  EXPECT_EQ(snapshot->node, std::nullopt);
  EXPECT_EQ(pod(*snapshot, "outside").visibility, Visibility::kDenied);
  EXPECT_THAT(snapshot->complaints, ::testing::ElementsAre(::testing::HasSubstr("hostPID: true")));
}

TEST_F(ScannerTest, APodWithOneUnreadableNamespaceHasNoPartialSum) {
  proc_.tree().add("cgroup/one/cgroup.procs", "50\n");
  proc_.tree().add("cgroup/two/cgroup.procs", "51\n");
  proc_.process(50, "one", "0::/one\n", "one-ns");
  proc_.process(51, "two", "0::/two\n", "two-ns");
  Pod both;
  both.pod_namespace = "shop";
  both.name = "both";
  both.containers.resize(1);
  both.containers[0].cgroup_directories = {{proc_.tree().path("cgroup/one"), false},
                                           {proc_.tree().path("cgroup/two"), false}};
  pods_.pods.push_back(both);
  sockets_.rows[inode("one-ns")] = {TcpState::kCloseWait};
  sockets_.rows[inode("two-ns")] = {TcpState::kCloseWait};
  EXPECT_EQ(pod(*scan(), "both").sums.states.of(TcpState::kCloseWait), 2U);
  sockets_.failures.emplace(inode("two-ns"), Error{ErrorKind::kInterrupted, "changed"});
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "both").visibility, Visibility::kIncomplete);
  EXPECT_EQ(pod(*snapshot, "both").sums, SocketSums{});
}

TEST_F(ScannerTest, ANamedNamespaceIsAnotherThanTheHostsForSure) {
  pods_.node_failure = Error{ErrorKind::kDenied, "CAP_SYS_PTRACE is missing"};
  pods_.pods[0].located->where = NamespaceFile{proc_.tree().path("namespaces/cart-ns")};
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kVisible);
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kDenied);
}

TEST_F(ScannerTest, WithoutTheHostsNamespaceNoPodIsBlamed) {
  pods_.node_failure = Error{ErrorKind::kDenied, "CAP_SYS_PTRACE is missing"};
  const auto snapshot = scan();
  EXPECT_EQ(snapshot->node, std::nullopt);
  for (const auto& pod : snapshot->pods) EXPECT_EQ(pod.visibility, Visibility::kDenied);
  EXPECT_THAT(snapshot->complaints, ::testing::ElementsAre("namespace: CAP_SYS_PTRACE is missing"));
}

TEST_F(ScannerTest, AnUnreadableNodeIsMissingNotZero) {
  sockets_.failures.emplace(inode("host"), Error{ErrorKind::kSystem, "broken"});
  const auto snapshot = scan();
  EXPECT_EQ(snapshot->node, std::nullopt);
  EXPECT_EQ(pod(*snapshot, "cart").visibility, Visibility::kVisible);
}

TEST_F(ScannerTest, WhenPodsCannotBeListedTheLastOnesAreNotVisible) {
  scan();
  pods_.failure = Error{ErrorKind::kSystem, "no /sys"};
  const auto snapshot = scan();
  ASSERT_EQ(snapshot->pods.size(), 2U);
  for (const auto& pod : snapshot->pods) {
    EXPECT_EQ(pod.visibility, Visibility::kIncomplete);
    EXPECT_EQ(pod.sums, SocketSums{});
  }
  EXPECT_EQ(snapshot->node, std::nullopt);
  EXPECT_EQ(errors(*snapshot, ScanStage::kDiscovery), 1U);
}

TEST_F(ScannerTest, CountsTroubleWithDiscoveryAndNames) {
  pods_.errors = {Error{ErrorKind::kDenied, "a directory"}};
  pods_.name_errors = {Error{ErrorKind::kGone, "the logs"}};
  const auto snapshot = scan();
  EXPECT_EQ(errors(*snapshot, ScanStage::kDiscovery), 1U);
  EXPECT_EQ(errors(*snapshot, ScanStage::kMetadata), 1U);
  EXPECT_THAT(snapshot->complaints,
              ::testing::ElementsAre("discovery: a directory", "metadata: the logs"));
}

SocketRow close_wait_row(std::uint64_t cookie, std::uint32_t inode = 1) {
  SocketRow row;
  row.state = TcpState::kCloseWait;
  row.cookie = cookie;
  row.inode = inode;
  return row;
}

TEST_F(ScannerTest, CountsWhatEntersAndLeavesBetweenScans) {
  auto& rows = sockets_.detailed[inode("api-ns")];
  rows = {close_wait_row(1), close_wait_row(2)};
  EXPECT_EQ(pod(*scan(), "api").diagnosis.entered, 0U);  // was there before the agent
  rows = {close_wait_row(2), close_wait_row(3), close_wait_row(4)};
  scan();
  const auto snapshot = scan();  // what is not there twice has left
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.entered, 2U);
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.left, 1U);
}

TEST_F(ScannerTest, AFailedScanIsNoExodus) {
  auto& rows = sockets_.detailed[inode("api-ns")];
  rows = {close_wait_row(1), close_wait_row(2)};
  scan();
  sockets_.failures.emplace(inode("api-ns"), Error{ErrorKind::kInterrupted, "changed"});
  scan();
  pods_.failure = Error{ErrorKind::kSystem, "no /sys"};
  scan();
  pods_.failure.reset();
  sockets_.failures.clear();
  rows = {close_wait_row(2), close_wait_row(3)};
  scan();
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.entered, 1U);
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.left, 1U);
}

TEST_F(ScannerTest, EverySocketOfANewPodHasEntered) {
  scan();
  add_pod("late", 30, "late-ns");
  sockets_.detailed[inode("late-ns")] = {close_wait_row(1), close_wait_row(2)};
  EXPECT_EQ(pod(*scan(), "late").diagnosis.entered, 2U);
}

TEST_F(ScannerTest, APodThatIsOutOfAListWithErrorsIsNotForgotten) {
  sockets_.detailed[inode("api-ns")] = {close_wait_row(1)};
  scan();
  const auto hidden = pods_.pods.back();
  pods_.pods.pop_back();
  pods_.errors = {Error{ErrorKind::kDenied, "a directory"}};
  scan();
  pods_.pods.push_back(hidden);
  EXPECT_EQ(pod(*scan(), "api").diagnosis.entered, 0U);
  pods_.errors.clear();
  pods_.pods.pop_back();
  scan();
  pods_.pods.push_back(hidden);  // gone from a whole list, so it began anew
  EXPECT_EQ(pod(*scan(), "api").diagnosis.entered, 1U);
}

TEST_F(ScannerTest, AgesGrowFromScanToScan) {
  auto row = close_wait_row(1);
  row.last_ack_received_ms = 5'000;
  auto& rows = sockets_.detailed[inode("api-ns")];
  rows = {row};
  EXPECT_EQ(pod(*scan(), "api").diagnosis.oldest, 5s);
  clock_.steady += 2min;
  rows.front().last_ack_received_ms = 1;  // a keepalive
  const auto snapshot = scan();
  EXPECT_GE(pod(*snapshot, "api").diagnosis.oldest, 2min + 5s);
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.stuck(), 1U);
}

TEST_F(ScannerTest, LearnsWhatTheKernelGives) {
  EXPECT_EQ(scan()->features.cgroup_id, false);
  EXPECT_EQ(scan()->features.netns_cookie, false);
  auto row = close_wait_row(1);
  row.cgroup_id = kUnknownCgroup;
  sockets_.detailed[inode("api-ns")] = {row};
  EXPECT_EQ(scan()->features.cgroup_id, false);
  row.cgroup_id = 4711;
  row.last_ack_received_ms = 1;
  sockets_.detailed[inode("api-ns")] = {row};
  sockets_.cookie = 7;
  const auto snapshot = scan();
  EXPECT_EQ(snapshot->features.cgroup_id, true);
  EXPECT_EQ(snapshot->features.tcp_info, true);
  EXPECT_EQ(snapshot->features.netns_cookie, true);
  EXPECT_FALSE(snapshot->features.socket_inode);
}

/// Pods with containers in cgroups that are plain directories.
class ContainersTest : public ScannerTest {
 protected:
  /// A pod in the namespace of that name with a process in each of its two containers, "app" and
  /// "sidecar".
  void add_kubernetes_pod(const std::string& name, pid_t pid, const std::string& network_namespace,
                          bool unified, unsigned started = 100) {
    Pod added;
    added.pod_namespace = "shop";
    added.name = name;
    added.uid = "uid-" + name;
    for (const auto* const container : {"app", "sidecar"}) {
      const auto directory = name + "-" + container;
      proc_.tree().add("cgroup/" + directory + "/cgroup.procs", std::to_string(pid) + "\n");
      proc_.process(pid, container, "0::/" + directory + "\n", network_namespace, started);
      added.containers.push_back(
          {"id", container, {{proc_.tree().path("cgroup/" + directory), unified}}});
      ++pid;
    }
    pods_.pods.push_back(std::move(added));
  }

  /// The id of a container's cgroup.
  [[nodiscard]] std::uint64_t cgroup(const std::string& directory) const {
    struct stat status {};
    EXPECT_EQ(::stat(proc_.tree().path("cgroup/" + directory).c_str(), &status), 0) << directory;
    return status.st_ino;
  }

  static SocketRow made_by(std::uint64_t cgroup, TcpState state = TcpState::kCloseWait) {
    static std::uint64_t cookie = 100;
    auto row = close_wait_row(++cookie);
    row.state = state;
    row.cgroup_id = cgroup;
    return row;
  }

  static std::uint64_t sockets_of(const PodSnapshot& pod, const std::string& container) {
    for (const auto& known : pod.diagnosis.containers) {
      if (known.container == container) return known.of(Direction::kOutbound, OwedCall::kClose);
    }
    throw std::runtime_error("no container " + container);
  }
};

TEST_F(ContainersTest, HaveTheSocketsThatTheirCgroupsMade) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  sockets_.detailed[inode("web-ns")] = {made_by(cgroup("web-app")), made_by(cgroup("web-app")),
                                        made_by(424'242)};
  const auto snapshot = scan();
  const auto& web = pod(*snapshot, "web");
  EXPECT_EQ(sockets_of(web, "app"), 2U);
  EXPECT_EQ(sockets_of(web, "sidecar"), 0U);
  EXPECT_EQ(sockets_of(web, "unknown"), 1U);
  EXPECT_FALSE(snapshot->features.socket_inode);
}

TEST_F(ContainersTest, OfOtherPodsAreNamedAsTheOwnersOfWhatTheyHaveMade) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  add_kubernetes_pod("ztunnel", 40, "ztunnel-ns", true);
  add_kubernetes_pod("shell", 50, "host", true);  // on the host's network
  proc_.tree().add("cgroup/ztunnel-app/below/cgroup.procs", "");
  auto old = made_by(cgroup("ztunnel-app"));
  old.last_ack_received_ms = 70'000;
  sockets_.detailed[inode("web-ns")] = {made_by(cgroup("web-app")),
                                        old,
                                        made_by(cgroup("ztunnel-app/below")),
                                        made_by(cgroup("ztunnel-sidecar")),
                                        made_by(cgroup("shell-app")),
                                        made_by(424'242),
                                        made_by(kUnknownCgroup)};
  const auto snapshot = scan();
  const auto& web = pod(*snapshot, "web");
  EXPECT_EQ(web.sums.states.of(TcpState::kCloseWait), 7U);
  EXPECT_EQ(sockets_of(web, "app"), 1U);
  EXPECT_EQ(sockets_of(web, "other_pod"), 4U);
  EXPECT_EQ(sockets_of(web, "unknown"), 2U);
  EXPECT_THAT(web.diagnosis.owners, ElementsAre(OwnerSums{{"shop", "ztunnel", "app"}, 2, 1},
                                                OwnerSums{{"shop", "shell", "app"}, 1, 0},
                                                OwnerSums{{"shop", "ztunnel", "sidecar"}, 1, 0}));
  // The series of the others stay theirs.
  EXPECT_EQ(pod(*snapshot, "ztunnel").sums.states.total(), 0U);
  EXPECT_TRUE(pod(*snapshot, "ztunnel").diagnosis.owners.empty());
  // Each socket that is listed has its owner too.
  std::map<std::string, int> listed;
  const auto listing = list_sockets(find_namesakes(*snapshot, "shop", "web"),
                                    [](const auto&, const auto&) { return SocketOwnerList{}; });
  for (const auto& socket : listing.sockets) {
    ++listed[socket.owner ? text_of(*socket.owner) : socket.container];
  }
  EXPECT_THAT(listed,
              ElementsAre(Pair("app", 1), Pair("shop/shell/app", 1), Pair("shop/ztunnel/app", 2),
                          Pair("shop/ztunnel/sidecar", 1), Pair("unknown", 2)));
}

TEST_F(ContainersTest, OfOtherPodsAreNamedEvenWhereNobodyCanCountThose) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  add_kubernetes_pod("ending", 40, "ending-ns", true);
  for (const auto* const container : {"app", "sidecar"}) {
    proc_.tree().add(std::string("cgroup/ending-") + container + "/cgroup.procs", "");
  }
  pods_.pods.back().containers[0] = {std::string(64, 'c'), "",
                                     pods_.pods.back().containers[0].cgroup_directories};
  sockets_.detailed[inode("web-ns")] = {made_by(cgroup("ending-app"))};
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "ending").visibility, Visibility::kNoProcess);
  EXPECT_THAT(pod(*snapshot, "web").diagnosis.owners,
              ElementsAre(OwnerSums{{"shop", "ending", "cccccccccccc"}, 1, 0}));
  // Once its cgroups have gone nobody knows whose the socket was.
  pods_.pods.pop_back();
  const auto after = scan();
  EXPECT_EQ(sockets_of(pod(*after, "web"), "unknown"), 1U);
  EXPECT_TRUE(pod(*after, "web").diagnosis.owners.empty());
}

TEST_F(ContainersTest, WithoutAProcessHaveTheirSocketsStill) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  proc_.tree().add("cgroup/web-sidecar/cgroup.procs", "");
  sockets_.detailed[inode("web-ns")] = {made_by(cgroup("web-sidecar"))};
  const auto snapshot = scan();
  EXPECT_EQ(sockets_of(pod(*snapshot, "web"), "sidecar"), 1U);
  EXPECT_TRUE(pod(*snapshot, "web").diagnosis.owners.empty());
}

TEST_F(ContainersTest, OfOtherPodsAreNamedInANamespaceBesideTheHosts) {
  add_kubernetes_pod("agent", 30, "host", true);
  add_kubernetes_pod("ztunnel", 40, "ztunnel-ns", true);
  proc_.tree().add("cgroup/agent-app/cgroup.procs", "30\n35\n");
  proc_.process(35, "health", "0::/agent-app\n", "health-ns");
  sockets_.detailed[inode("host")] = {made_by(cgroup("agent-sidecar")),
                                      made_by(cgroup("ztunnel-app"))};
  sockets_.detailed[inode("health-ns")] = {made_by(cgroup("ztunnel-app"))};
  const auto snapshot = scan();
  const auto& agent = pod(*snapshot, "agent");
  EXPECT_EQ(sockets_of(agent, "sidecar"), 1U);
  EXPECT_EQ(sockets_of(agent, "other_pod"), 1U);
  EXPECT_THAT(agent.diagnosis.owners, ElementsAre(OwnerSums{{"shop", "ztunnel", "app"}, 1, 0}));
  EXPECT_EQ(snapshot->node->of(TcpState::kCloseWait), 1U);
}

TEST_F(ContainersTest, OfOtherPodsAreBoundedInEachPod) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  for (int i = 0; i < 12; ++i) {
    const auto name = "visitor-" + std::to_string(10 + i);
    add_kubernetes_pod(name, 100 + 2 * i, name + "-ns", true);
    for (int sockets = 0; sockets <= i; ++sockets) {
      sockets_.detailed[inode("web-ns")].push_back(made_by(cgroup(name + "-app")));
    }
  }
  const auto snapshot = scan();
  const auto& owners = pod(*snapshot, "web").diagnosis.owners;
  ASSERT_EQ(owners.size(), kMostOwners + 1);
  EXPECT_EQ(owners.front(), (OwnerSums{{"shop", "visitor-21", "app"}, 12, 0}));
  EXPECT_EQ(owners.back(), (OwnerSums{{kOtherOwners, kOtherOwners, kOtherOwners}, 10, 0}));
  const auto listing = list_sockets(find_namesakes(*snapshot, "shop", "web"),
                                    [](const auto&, const auto&) { return SocketOwnerList{}; });
  EXPECT_EQ(
      std::count_if(listing.sockets.begin(), listing.sockets.end(),
                    [](const auto& socket) { return text_of(*socket.owner) == kOtherOwners; }),
      10);
}

TEST_F(ContainersTest, AreFoundByInodeWhereTheKernelNamesNoCgroup) {
  add_kubernetes_pod("web", 30, "web-ns", false);
  proc_.socket(31, 5, 4711);
  sockets_.detailed[inode("web-ns")] = {close_wait_row(1, 4711), close_wait_row(2, 4712)};
  const auto snapshot = scan();
  const auto& web = pod(*snapshot, "web");
  EXPECT_EQ(sockets_of(web, "sidecar"), 1U);
  EXPECT_EQ(sockets_of(web, "unknown"), 1U);
  EXPECT_EQ(sockets_of(web, "app"), 0U);
  EXPECT_TRUE(snapshot->features.socket_inode);
  sockets_.detailed.clear();
  EXPECT_FALSE(scan()->features.socket_inode);
}

TEST_F(ContainersTest, OfHostNetworkPodsAreSplitOffTheNode) {
  add_kubernetes_pod("proxy", 30, "host", true);
  add_kubernetes_pod("agent", 40, "host", true);
  sockets_.detailed[inode("host")] = {
      made_by(cgroup("proxy-app")), made_by(cgroup("agent-sidecar")),
      made_by(cgroup("agent-sidecar"), TcpState::kEstablished),
      made_by(cgroup("agent-app"), TcpState::kFinWait2), made_by(kUnknownCgroup)};
  const auto snapshot = scan();
  const auto& proxy = pod(*snapshot, "proxy");
  EXPECT_EQ(proxy.visibility, Visibility::kVisible);
  EXPECT_TRUE(proxy.host_network);
  EXPECT_EQ(proxy.sums.states.total(), 1U);
  EXPECT_EQ(sockets_of(proxy, "app"), 1U);
  const auto& agent = pod(*snapshot, "agent");
  EXPECT_EQ(agent.sums.states.of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(agent.sums.states.of(TcpState::kEstablished), 1U);
  EXPECT_EQ(sockets_of(agent, "sidecar"), 1U);
  // Nobody can tell whose those are that may have lost their cgroup, so they are the node's.
  EXPECT_FALSE(agent.knows(TcpState::kFinWait2));
  ASSERT_TRUE(snapshot->node);
  EXPECT_EQ(snapshot->node->of(TcpState::kFinWait2), 1U);
  EXPECT_EQ(snapshot->node->of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(snapshot->node->of(TcpState::kEstablished), 0U);
}

TEST_F(ContainersTest, OfAHostNetworkPodWithANamespaceBesideAreAllCounted) {
  add_kubernetes_pod("agent", 30, "host", true);
  proc_.tree().add("cgroup/agent-app/cgroup.procs", "30\n35\n");
  proc_.process(35, "health", "0::/agent-app\n", "health-ns");
  sockets_.detailed[inode("host")] = {made_by(cgroup("agent-sidecar")), made_by(kUnknownCgroup)};
  sockets_.detailed[inode("health-ns")] = {made_by(cgroup("agent-app")),
                                           made_by(cgroup("agent-app")),
                                           made_by(cgroup("agent-app"), TcpState::kEstablished)};
  for (int i = 0; i < 2; ++i) {
    const auto snapshot = scan();
    const auto& agent = pod(*snapshot, "agent");
    ASSERT_EQ(agent.visibility, Visibility::kVisible) << agent.detail;
    EXPECT_TRUE(agent.host_network);
    EXPECT_EQ(agent.sums.states.of(TcpState::kCloseWait), 3U);
    EXPECT_EQ(agent.sums.states.of(TcpState::kEstablished), 1U);
    EXPECT_EQ(sockets_of(agent, "app"), 2U);
    EXPECT_EQ(sockets_of(agent, "sidecar"), 1U);
    EXPECT_EQ(agent.diagnosis.sockets.size(), 3U);
    EXPECT_EQ(agent.diagnosis.left, 0U);
    EXPECT_EQ(snapshot->node->of(TcpState::kCloseWait), 1U);
  }
  sockets_.detailed.erase(inode("health-ns"));
  scan();
  EXPECT_EQ(pod(*scan(), "agent").diagnosis.left, 2U);
}

TEST_F(ContainersTest, OfHostNetworkPodsHaveNoFalseZerosWithoutCgroupIds) {
  add_kubernetes_pod("proxy", 30, "host", true);
  sockets_.detailed[inode("host")] = {close_wait_row(1)};
  EXPECT_EQ(pod(*scan(), "proxy").visibility, Visibility::kHostNetwork);
  sockets_.detailed[inode("host")] = {made_by(kUnknownCgroup)};
  EXPECT_EQ(pod(*scan(), "proxy").visibility, Visibility::kHostNetwork);
  // Once the kernel has named a cgroup, whose ever it is, zeros are true.
  sockets_.detailed[inode("api-ns")] = {made_by(424'242)};
  EXPECT_EQ(pod(*scan(), "proxy").visibility, Visibility::kVisible);
}

TEST_F(ContainersTest, OfHostNetworkPodsHaveNoFalseZerosOutsideCgroupV2) {
  add_kubernetes_pod("proxy", 30, "host", false);
  sockets_.detailed[inode("host")] = {made_by(kUnknownCgroup)};
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "proxy").visibility, Visibility::kHostNetwork);
  EXPECT_EQ(snapshot->node->of(TcpState::kCloseWait), 1U);
}

TEST_F(ContainersTest, OfHostNetworkPodsAreAsUnreadableAsTheNode) {
  add_kubernetes_pod("proxy", 30, "host", true);
  sockets_.failures.emplace(inode("host"), Error{ErrorKind::kInterrupted, "changed"});
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "proxy").visibility, Visibility::kIncomplete);
  EXPECT_EQ(snapshot->node, std::nullopt);
}

TEST_F(ContainersTest, OfHostNetworkPodsHaveAgesAndHistoriesToo) {
  add_kubernetes_pod("proxy", 30, "host", true);
  auto& rows = sockets_.detailed[inode("host")];
  auto old = made_by(cgroup("proxy-app"));
  old.last_ack_received_ms = 5'000;
  rows = {old};
  const auto first = scan();
  EXPECT_EQ(pod(*first, "proxy").diagnosis.oldest, 5s);
  EXPECT_EQ(pod(*first, "proxy").diagnosis.entered, 0U);  // was there before the agent
  EXPECT_EQ(pod(*first, "proxy").detail, "");
  rows.push_back(made_by(cgroup("proxy-sidecar")));
  EXPECT_EQ(pod(*scan(), "proxy").diagnosis.entered, 1U);
  rows.clear();
  rows.push_back(made_by(kUnknownCgroup));
  scan();
  EXPECT_EQ(pod(*scan(), "proxy").diagnosis.left, 2U);
}

TEST_F(ContainersTest, OfHostNetworkPodsMayComeAndGo) {
  add_kubernetes_pod("proxy", 30, "host", true);
  add_kubernetes_pod("agent", 40, "host", true);
  sockets_.detailed[inode("host")] = {made_by(cgroup("proxy-app")), made_by(cgroup("agent-app"))};
  scan();
  // The first of the four pods ends, so the others are numbered anew.
  pods_.pods.erase(pods_.pods.begin());
  std::swap(pods_.pods[1], pods_.pods[2]);
  const auto snapshot = scan();
  for (const auto* const name : {"proxy", "agent"}) {
    EXPECT_EQ(pod(*snapshot, name).sums.states.total(), 1U) << name;
    EXPECT_EQ(sockets_of(pod(*snapshot, name), "app"), 1U) << name;
    EXPECT_EQ(pod(*snapshot, name).diagnosis.left, 0U) << name;
  }
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kVisible);
  EXPECT_EQ(pod(*snapshot, "api").sums.states.of(TcpState::kEstablished), 1U);
}

TEST_F(ContainersTest, AreFoundByInodeOnlyForSocketsWhoseCgroupTheKernelDoesNotName) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  proc_.socket(31, 5, 4711);  // both have been passed on to a process of the sidecar
  proc_.socket(31, 6, 4712);
  auto named = made_by(cgroup("web-app"));
  named.inode = 4711;
  auto nameless = made_by(kUnknownCgroup);
  nameless.inode = 4712;
  sockets_.detailed[inode("web-ns")] = {named, nameless};
  const auto snapshot = scan();
  EXPECT_EQ(sockets_of(pod(*snapshot, "web"), "app"), 1U);
  EXPECT_EQ(sockets_of(pod(*snapshot, "web"), "sidecar"), 1U);
}

TEST_F(ContainersTest, AreNotSearchedForWhatNobodyHasAccepted) {
  add_kubernetes_pod("web", 30, "web-ns", false);
  sockets_.detailed[inode("web-ns")] = {close_wait_row(1, 0)};
  EXPECT_FALSE(scan()->features.socket_inode);
}

TEST_F(ContainersTest, ThatCannotBeLookedIntoAreAComplaint) {
  add_kubernetes_pod("web", 30, "web-ns", false);
  proc_.tree().add("proc/30/fd");  // a file, so that it opens as no directory
  sockets_.detailed[inode("web-ns")] = {close_wait_row(1, 4711)};
  const auto snapshot = scan();
  EXPECT_EQ(errors(*snapshot, ScanStage::kNamespace), 1U);
  EXPECT_EQ(snapshot->complaints.size(), 1U);
  EXPECT_EQ(sockets_of(pod(*snapshot, "web"), "unknown"), 1U);
}

TEST_F(ContainersTest, WhoseNamespaceHasGoneHaveNoSocketsLeftInIt) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  proc_.tree().remove("proc/31");
  proc_.process(31, "sidecar", "0::/web-sidecar\n", "inner-ns");
  sockets_.detailed[inode("web-ns")] = {close_wait_row(1)};
  sockets_.detailed[inode("inner-ns")] = {close_wait_row(2), close_wait_row(3)};
  const auto before = scan();
  EXPECT_EQ(pod(*before, "web").sums.states.of(TcpState::kCloseWait), 3U);
  EXPECT_EQ(pod(*before, "web").diagnosis.sockets.size(), 3U);
  proc_.tree().remove("proc/31");
  proc_.process(31, "sidecar", "0::/web-sidecar\n", "web-ns");
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "web").sums.states.of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(pod(*snapshot, "web").diagnosis.left, 2U);
  EXPECT_EQ(pod(*snapshot, "web").diagnosis.entered, 0U);
}

TEST_F(ScannerTest, RemainsOfSocketsShowNothingOfTheKernel) {
  sockets_.rows.clear();
  sockets_.rows[inode("api-ns")] = {TcpState::kTimeWait, TcpState::kSynRecv};
  const auto snapshot = scan();
  EXPECT_EQ(snapshot->features.cgroup_id, std::nullopt);
  EXPECT_EQ(snapshot->features.tcp_info, std::nullopt);
}

TEST_F(ScannerTest, ANamespaceOfAnotherCookieIsAnother) {
  sockets_.detailed[inode("api-ns")] = {close_wait_row(1)};
  sockets_.cookie = 7;
  scan();
  clock_.steady += 2min;
  sockets_.cookie = 8;  // the kernel has given the inode's number to a new one
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.entered, 1U);
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.left, 1U);
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.oldest, 0s);
}

TEST_F(ScannerTest, APodMayBeOutOfListsWithErrorsFor60Scans) {
  sockets_.detailed[inode("api-ns")] = {close_wait_row(1)};
  scan();
  const auto hidden = pods_.pods.back();
  pods_.errors = {Error{ErrorKind::kDenied, "a directory"}};
  for (const auto& [absences, entered] : {std::pair(60, 0U), std::pair(61, 1U)}) {
    pods_.pods.pop_back();
    for (int i = 0; i < absences; ++i) scan();
    pods_.pods.push_back(hidden);
    EXPECT_EQ(pod(*scan(), "api").diagnosis.entered, entered) << absences;
  }
}

TEST_F(ContainersTest, OfAPodThatVisitsAnothersNamespaceHaveNoneOfItsSockets) {
  add_kubernetes_pod("tool", 40, "tool-ns", true);  // is read before the one that it visits
  add_kubernetes_pod("web", 30, "web-ns", true);
  sockets_.detailed[inode("web-ns")] = {close_wait_row(1), close_wait_row(2), close_wait_row(3)};
  sockets_.detailed[inode("tool-ns")] = {close_wait_row(4)};
  scan();
  // A process of tool enters web's namespace (nsenter) for one scan, and leaves it.
  proc_.tree().remove("proc/41");
  proc_.process(41, "sidecar", "0::/tool-sidecar\n", "web-ns");
  sockets_.detailed[inode("tool-ns")].push_back(close_wait_row(5));
  const auto visiting = scan();
  proc_.tree().remove("proc/41");
  proc_.process(41, "sidecar", "0::/tool-sidecar\n", "tool-ns");
  const auto back = scan();
  for (const auto& snapshot : {visiting, back}) {
    EXPECT_EQ(pod(*snapshot, "tool").visibility, Visibility::kVisible);
    EXPECT_EQ(pod(*snapshot, "tool").sums.states.of(TcpState::kCloseWait), 2U);
    EXPECT_EQ(pod(*snapshot, "tool").diagnosis.entered, 1U);
    EXPECT_EQ(pod(*snapshot, "tool").diagnosis.left, 0U);
    EXPECT_EQ(pod(*snapshot, "web").visibility, Visibility::kVisible);
    EXPECT_EQ(pod(*snapshot, "web").sums.states.of(TcpState::kCloseWait), 3U);
    EXPECT_EQ(pod(*snapshot, "web").diagnosis.entered, 0U);
  }
}

TEST_F(ContainersTest, OfAPodThatIsNowhereElseAtHomeAreNotThoseOfThePodThatWasThereBefore) {
  for (const auto* const visitor : {"a-tool", "z-tool"}) {  // read before and after the other
    add_kubernetes_pod("web", 30, "web-ns", true);
    add_kubernetes_pod(visitor, 40, "web-ns", true, 200);
    sockets_.detailed[inode("web-ns")] = {close_wait_row(1), close_wait_row(2)};
    const auto snapshot = scan();
    EXPECT_EQ(pod(*snapshot, "web").visibility, Visibility::kVisible);
    EXPECT_EQ(pod(*snapshot, "web").sums.states.of(TcpState::kCloseWait), 2U);
    EXPECT_EQ(pod(*snapshot, visitor).visibility, Visibility::kHostNetwork);
    EXPECT_THAT(pod(*snapshot, visitor).detail, HasSubstr("shop/web"));
    pods_.pods.clear();
    for (const auto* const pid : {"30", "31", "40", "41"}) {
      proc_.tree().remove(std::string("proc/") + pid);
    }
    scan();
  }
}

TEST_F(ContainersTest, OfPodsOnTheNetworkOfANodeThatIsAContainerAreNobodys) {
  add_kubernetes_pod("etcd", 30, "node-ns", true);
  add_kubernetes_pod("proxy", 40, "node-ns", true);
  proc_.process(25, "systemd", "0::/docker/node\n", "node-ns", 50);
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "etcd").visibility, Visibility::kHostNetwork);
  EXPECT_EQ(pod(*snapshot, "proxy").visibility, Visibility::kHostNetwork);
}

TEST_F(ContainersTest, OfPodsOfOneAgeInOneNamespaceAreNobodys) {
  add_kubernetes_pod("one", 30, "ns", true);
  add_kubernetes_pod("two", 40, "ns", true);
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "one").visibility, Visibility::kHostNetwork);
  EXPECT_EQ(pod(*snapshot, "two").visibility, Visibility::kHostNetwork);
}

TEST_F(ContainersTest, OfAHostNetworkPodThatVisitsAreTheNodesAndItsOwn) {
  add_kubernetes_pod("web", 30, "web-ns", true);
  add_kubernetes_pod("debug", 40, "host", true);
  proc_.tree().remove("proc/41");
  proc_.process(41, "sidecar", "0::/debug-sidecar\n", "web-ns", 300);
  sockets_.detailed[inode("web-ns")] = {close_wait_row(1)};
  sockets_.detailed[inode("host")] = {made_by(cgroup("debug-app")), made_by(cgroup("debug-app"))};
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "web").sums.states.of(TcpState::kCloseWait), 1U);
  EXPECT_EQ(pod(*snapshot, "debug").visibility, Visibility::kVisible);
  EXPECT_EQ(pod(*snapshot, "debug").sums.states.of(TcpState::kCloseWait), 2U);
}

TEST_F(ContainersTest, OfAPodThatHasMadeANamespaceAreItsOwnWhoeverVisits) {
  add_kubernetes_pod("builder", 30, "builder-ns", true);
  proc_.tree().remove("proc/31");
  proc_.process(31, "sidecar", "0::/builder-sidecar\n", "made-ns", 150);
  add_kubernetes_pod("debug", 40, "debug-ns", true);
  proc_.tree().remove("proc/41");
  proc_.process(41, "sidecar", "0::/debug-sidecar\n", "made-ns", 300);
  sockets_.detailed[inode("made-ns")] = {close_wait_row(1), close_wait_row(2)};
  sockets_.detailed[inode("debug-ns")] = {close_wait_row(3)};
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "builder").sums.states.of(TcpState::kCloseWait), 2U);
  EXPECT_EQ(pod(*snapshot, "debug").sums.states.of(TcpState::kCloseWait), 1U);
}

TEST_F(ContainersTest, AreFoundByInodeWhereTheirProcessesAreInAForeignCgroup) {
  add_kubernetes_pod("web", 30, "web-ns", false);
  proc_.socket(31, 5, 4711);
  auto row = close_wait_row(1, 4711);
  row.cgroup_id = 424'242;  // the runtime's service, say, where version 2 has left the process
  sockets_.detailed[inode("web-ns")] = {row};
  EXPECT_EQ(sockets_of(pod(*scan(), "web"), "sidecar"), 1U);
}

TEST_F(ScannerTest, APodThatGetsItsNameLateKeepsItsHistory) {
  auto& api = pods_.pods.back();
  api.pod_namespace = "unknown";
  api.name = "uid-api";
  auto row = close_wait_row(1);
  row.last_ack_received_ms = 5'000;
  auto& rows = sockets_.detailed[inode("api-ns")];
  rows = {row};
  scan();
  clock_.steady += 2min;
  rows.front().last_ack_received_ms = 1;
  api.pod_namespace = "shop";
  api.name = "api";
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "api").diagnosis.entered, 0U);
  EXPECT_GE(pod(*snapshot, "api").diagnosis.oldest, 2min);
}

TEST_F(ScannerTest, TwoNamespacesOfOneContainerAreTwoPodsWithTwoHistories) {
  pods_.pods[0].uid = pods_.pods[1].uid = "container";  // as without Kubernetes
  sockets_.rows.clear();
  sockets_.detailed[inode("cart-ns")] = {close_wait_row(1)};
  sockets_.detailed[inode("api-ns")] = {close_wait_row(2), close_wait_row(3)};
  scan();
  const auto snapshot = scan();
  for (const auto* const name : {"cart", "api"}) {
    EXPECT_EQ(pod(*snapshot, name).diagnosis.entered, 0U) << name;
    EXPECT_EQ(pod(*snapshot, name).diagnosis.left, 0U) << name;
  }
}

TEST_F(ScannerTest, KnowsOfTcpInfoFromTheNodeAlone) {
  sockets_.rows.clear();
  SocketRow row;
  row.state = TcpState::kListen;
  row.last_ack_received_ms = 0;
  sockets_.detailed[inode("host")] = {row};
  EXPECT_NE(scan()->features.tcp_info, false);
}

TEST_F(ScannerTest, AFirstListWithErrorsMakesNoLaterPodNewborn) {
  sockets_.detailed[inode("api-ns")] = {close_wait_row(1), close_wait_row(2)};
  const auto hidden = pods_.pods.back();
  pods_.pods.pop_back();
  pods_.errors = {Error{ErrorKind::kDenied, "a directory"}};
  scan();
  pods_.errors.clear();
  pods_.pods.push_back(hidden);
  EXPECT_EQ(pod(*scan(), "api").diagnosis.entered, 0U);
}

TEST_F(ScannerTest, AScanThatIsToldToStopIsDropped) {
  int asked = 0;
  EXPECT_EQ(scanner_.scan([&] { return ++asked < 2; }), nullptr);
}

/// Tells what the test put in.
class FakeHeld final : public HeldSocketSource {
 public:
  Result<std::vector<HeldSocket>> read() override {
    ++readings;
    return answer;
  }

  Result<std::vector<HeldSocket>> answer = std::vector<HeldSocket>();
  int readings = 0;
};

class HeldScannerTest : public ScannerTest {
 protected:
  static HeldSocket in(ino_t space, std::uint64_t cookie) {
    HeldSocket held;
    held.space = static_cast<std::uint32_t>(space);
    held.row.cookie = cookie;
    held.row.inode = 4711;
    return held;
  }
  std::shared_ptr<const Snapshot> scan() {
    return scanner_.scan([] { return true; });
  }

  std::shared_ptr<FakeHeld> held_ = std::make_shared<FakeHeld>();
  Scanner scanner_{
      std::make_unique<FakePods>(pods_),
      NamespaceOpener(proc_.path()),
      SocketOwners(proc_.path()),
      std::make_unique<FakeSockets>(sockets_, clock_),
      {.pacer = Pacer(10s, 0.01, 60s), .diagnosis = {}, .cpu_budget = 0.01, .held_sockets = held_},
      clock_};
};

TEST_F(HeldScannerTest, HeldSocketsAreThePodsInWhoseNamespaceTheyAre) {
  held_->answer = std::vector{in(inode("cart-ns"), 1), in(inode("cart-ns"), 2),
                              in(inode("host"), 3), in(12345, 4)};
  const auto snapshot = scan();
  EXPECT_EQ(pod(*snapshot, "cart").held_sockets(), 2U);
  ASSERT_NE(pod(*snapshot, "api").held, nullptr);
  EXPECT_EQ(pod(*snapshot, "api").held_sockets(), 0U);
  EXPECT_EQ(snapshot->features.held_sockets, true);
  EXPECT_EQ(pod(*snapshot, "cart").unclosed(), 4U);
}

TEST_F(HeldScannerTest, HeldSocketsAreLookedForAtAPaceOfTheirOwn) {
  scan();
  clock_.steady += 10s;
  add_pod("late", 30, "late-ns");
  const auto soon = scan();
  EXPECT_EQ(held_->readings, 1);
  ASSERT_NE(pod(*soon, "cart").held, nullptr);
  EXPECT_EQ(pod(*soon, "cart").held_ago, clock_.steady - pod(*soon, "cart").held->read_at);
  EXPECT_EQ(pod(*soon, "late").held, nullptr);  // nobody has looked at it yet
  clock_.steady += 50s;
  const auto later = scan();
  EXPECT_EQ(held_->readings, 2);
  EXPECT_NE(pod(*later, "late").held, nullptr);
}

TEST_F(HeldScannerTest, HeldSocketsAreLookedForSoonerWhereScansAreMoreFrequent) {
  Scanner frequent(
      std::make_unique<FakePods>(pods_), NamespaceOpener(proc_.path()), SocketOwners(proc_.path()),
      std::make_unique<FakeSockets>(sockets_, clock_),
      {.pacer = Pacer(2s, 0.01, 60s), .diagnosis = {}, .cpu_budget = 0.01, .held_sockets = held_},
      clock_);
  for (int scans = 0; scans < 7; ++scans) {
    frequent.scan([] { return true; });
    clock_.steady += 2s;
  }
  EXPECT_EQ(held_->readings, 2);
}

TEST_F(HeldScannerTest, WhatCannotBeReadHasNoNumbers) {
  scan();
  held_->answer = fail(ErrorKind::kOverLimit, "too many");
  clock_.steady += 60s;
  for (int i = 0; i < 2; ++i) {
    const auto snapshot = scan();
    EXPECT_EQ(pod(*snapshot, "cart").held, nullptr);
    EXPECT_EQ(snapshot->features.held_sockets, false);
    EXPECT_EQ(errors(*snapshot, ScanStage::kSockets), 1U);
    EXPECT_THAT(snapshot->complaints, ElementsAre(HasSubstr("too many")));
  }
}

TEST_F(HeldScannerTest, APodThatIsNotVisibleHasNoNumbers) {
  sockets_.failures.emplace(inode("cart-ns"), Error{ErrorKind::kInterrupted, "changed"});
  held_->answer = std::vector{in(inode("cart-ns"), 1)};
  EXPECT_EQ(pod(*scan(), "cart").held, nullptr);
}

TEST_F(HeldScannerTest, WhatHasLeftIsClosedOrHeld) {
  const auto row = [](std::uint64_t cookie, std::uint32_t number) {
    auto found = close_wait_row(cookie);
    found.inode = number;
    return found;
  };
  sockets_.detailed[inode("cart-ns")] = {row(1, 4711), row(2, 4712), row(3, 4713)};
  scan();
  sockets_.detailed[inode("cart-ns")] = {row(3, 4713)};
  for (int scans = 0; scans < 2; ++scans) {
    clock_.steady += 10s;
    EXPECT_EQ(pod(*scan(), "cart").held->left_closed, 0U);
  }
  clock_.steady += 40s;
  held_->answer = std::vector{in(inode("cart-ns"), 77)};  // 4711
  const auto snapshot = scan();
  const auto& cart = pod(*snapshot, "cart");
  EXPECT_EQ(cart.diagnosis.left, 2U);
  EXPECT_EQ(cart.held->left_closed, 1U);
  EXPECT_EQ(cart.held->left_held, 1U);
}

TEST_F(HeldScannerTest, WhatWaitsForTheLastAckIsNotHeldYet) {
  auto ending = in(inode("cart-ns"), 1);
  ending.row.state = TcpState::kLastAck;
  held_->answer = std::vector{ending};
  EXPECT_EQ(pod(*scan(), "cart").held_sockets(), 0U);
}

TEST_F(HeldScannerTest, WhoBeganTheConnectionIsToldByTheSocketElseByWhoListens) {
  SocketRow listener;
  listener.state = TcpState::kListen;
  listener.local.port = 80;
  sockets_.detailed[inode("cart-ns")] = {listener};
  const auto held = [this](std::uint64_t cookie, std::uint16_t port) {
    auto socket = in(inode("cart-ns"), cookie);
    socket.row.local.port = port;
    return socket;
  };
  std::vector<HeldSocket> all = {held(1, 80), held(2, 81), held(3, 80), held(4, 81)};
  all[2].row.binding.port = true;  // dialled from a port that listens
  all[3].accepted = true;          // from a listener that has gone
  held_->answer = all;
  std::map<std::uint64_t, Direction> found;
  const auto snapshot = scan();
  for (const auto& one : pod(*snapshot, "cart").held->sockets) {
    found[one.socket.cookie] = one.socket.direction;
  }
  EXPECT_THAT(found, ElementsAre(Pair(1, Direction::kInbound), Pair(2, Direction::kOutbound),
                                 Pair(3, Direction::kOutbound), Pair(4, Direction::kInbound)));
}

/// inet_diag is dear from the first scan on.
class EngineChangeTest : public ScannerTest {
 protected:
  std::unique_ptr<Scanner> scanner_with(SourceMaker make_source) {
    constexpr double kTiny = 0.000'01;
    ScanSettings settings{.pacer = Pacer(10s, kTiny, 60s), .diagnosis = {}};
    settings.engines = {{Engine::kInetDiag, ""}, {Engine::kBpf, kEngineNotNeeded}};
    settings.engine_policy = EnginePolicy(10s, kTiny);
    settings.make_source = std::move(make_source);
    return std::make_unique<Scanner>(std::make_unique<FakePods>(pods_),
                                     NamespaceOpener(proc_.path()), SocketOwners(proc_.path()),
                                     std::make_unique<FakeSockets>(sockets_, clock_),
                                     std::move(settings), clock_);
  }
  static std::string reasons(const Snapshot& snapshot) {
    std::string text;
    for (const auto& [engine, reason] : snapshot.engines) {
      text += std::string(name_of(engine)) + "=" + std::string(reason) + " ";
    }
    return text;
  }
};

TEST_F(EngineChangeTest, BothReadTheScanBetween) {
  const auto scanner = scanner_with([this](Engine) -> Result<std::unique_ptr<SocketSource>> {
    return std::make_unique<FakeSockets>(sockets_, clock_);
  });
  const auto scan = [&] { return scanner->scan([] { return true; }); };
  const auto first = scan();
  EXPECT_EQ(first->cpu, 6ms);
  EXPECT_EQ(first->interval, 60s);
  const auto between = scan();
  EXPECT_EQ(reasons(*between), "inet_diag= bpf=not_needed ");
  EXPECT_EQ(between->cpu, 10ms) << "the node, and two pods twice";
  EXPECT_EQ(between->interval, 10s) << "what inet_diag has cost is no matter any more";
  const auto then = scan();
  EXPECT_EQ(reasons(*then), "inet_diag=dear bpf= ");
  EXPECT_EQ(then->cpu, 6ms);
}

TEST_F(EngineChangeTest, WaitsForAScanInWhichThereAreAnyPods) {
  const auto scanner = scanner_with([this](Engine) -> Result<std::unique_ptr<SocketSource>> {
    return std::make_unique<FakeSockets>(sockets_, clock_);
  });
  const auto scan = [&] { return scanner->scan([] { return true; }); };
  scan();
  pods_.failure = Error{ErrorKind::kSystem, "no cgroups"};
  scan();
  pods_.failure.reset();
  EXPECT_EQ(scan()->cpu, 10ms) << "both read this one";
  EXPECT_EQ(reasons(*scan()), "inet_diag=dear bpf= ");
}

TEST_F(EngineChangeTest, WhereTheOtherCannotBeHadItStays) {
  int asked = 0;
  const auto scanner = scanner_with([&](Engine) {
    ++asked;
    return fail(ErrorKind::kUnsupported, "no BTF");
  });
  const auto scan = [&] { return scanner->scan([] { return true; }); };
  scan();
  const auto refused = scan();
  EXPECT_THAT(refused->complaints, ElementsAre("sockets: the engine bpf cannot take over: no BTF"));
  EXPECT_EQ(reasons(*scan()), "inet_diag= bpf=unsupported ");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(errors(*scan(), ScanStage::kSockets), 1U);
}

}  // namespace
}  // namespace closewatch
