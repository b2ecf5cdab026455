#include "closewatch/scan/scanner.h"

#include <sys/stat.h>

#include <map>
#include <utility>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_proc.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::FakeProc;

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
    std::map<ino_t, Error> failures;
  };
  FakeSockets(State& state, FakeClock& clock) : state_(state), clock_(clock) {}

  Result<SocketReading> read(int network_namespace, const SocketQuery&, RowSink& sink) override {
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
    // A failure comes after rows, as in a dump that breaks off.
    const auto failure = state_.failures.find(status.st_ino);
    if (failure != state_.failures.end()) return tl::unexpected(failure->second);
    return SocketReading{};
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

  static const PodSnapshot& pod(const Snapshot& snapshot, const std::string& name) {
    for (const auto& pod : snapshot.pods) {
      if (pod.name == name) return pod;
    }
    throw std::runtime_error("no pod " + name);
  }

  FakeProc proc_;
  FakeClock clock_;
  FakePods::State pods_;
  FakeSockets::State sockets_;
  Scanner scanner_{std::make_unique<FakePods>(pods_), NamespaceOpener(proc_.path()),
                   std::make_unique<FakeSockets>(sockets_, clock_), Pacer(10s, 0.01), clock_};
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

TEST_F(ScannerTest, TellsWhatItCost) {
  const auto first = scan();
  EXPECT_EQ(first->duration, 9ms);
  EXPECT_EQ(first->cpu, 6ms);
  EXPECT_EQ(first->interval, 10s);
  const auto second = scan();
  EXPECT_EQ(second->cpu_total, 12ms);
  EXPECT_EQ(second->taken_at_steady, clock_.steady);
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
  EXPECT_EQ(errors(*snapshot, ScanStage::kNamespace), 1U);
  EXPECT_EQ(pod(*snapshot, "api").visibility, Visibility::kVisible);
}

TEST_F(ScannerTest, ErrorsAddUpOverScans) {
  proc_.tree().remove("proc/10");
  scan();
  EXPECT_EQ(errors(*scan(), ScanStage::kNamespace), 2U);
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
  sandboxed.containers[0].cgroup_folders = {proc_.tree().path("cgroup/sandbox")};
  pods_.pods.push_back(sandboxed);
  EXPECT_EQ(pod(*scan(), "boxed").visibility, Visibility::kSandboxed);
}

TEST_F(ScannerTest, ANamespaceOfTwoPodsIsNobodysOwn) {
  add_pod("stranger", 30, "cart-ns");
  const auto snapshot = scan();
  for (const auto* const name : {"cart", "stranger"}) {
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
  outside.containers[0].cgroup_folders = {proc_.tree().path("cgroup/outside")};
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
  both.containers[0].cgroup_folders = {proc_.tree().path("cgroup/one"),
                                       proc_.tree().path("cgroup/two")};
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
  pods_.errors = {Error{ErrorKind::kDenied, "a folder"}};
  pods_.name_errors = {Error{ErrorKind::kGone, "the logs"}};
  const auto snapshot = scan();
  EXPECT_EQ(errors(*snapshot, ScanStage::kDiscovery), 1U);
  EXPECT_EQ(errors(*snapshot, ScanStage::kMetadata), 1U);
  EXPECT_THAT(snapshot->complaints,
              ::testing::ElementsAre("discovery: a folder", "metadata: the logs"));
}

TEST_F(ScannerTest, AScanThatIsToldToStopIsDropped) {
  int asked = 0;
  EXPECT_EQ(scanner_.scan([&] { return ++asked < 2; }), nullptr);
}

}  // namespace
}  // namespace closewatch
