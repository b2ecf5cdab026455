// SPDX-License-Identifier: Apache-2.0
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/agent_scanner.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::cgroup_root;
using testing::NetworkNamespace;
using testing::wait_until;

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

/// A namespace whose name tells how many CLOSE_WAIT sockets it has: all of them for as long as it
/// has the name, and as long after as it takes scans to forget it.
class Tenant {
 public:
  Tenant(std::size_t number, std::size_t count)
      : space_(std::in_place, "churn" + std::to_string(number) + "x" + std::to_string(count),
               [&] { sockets_ = testing::many_in_close_wait(count, 20); }) {}

  /// The scans are counted when the name is gone: losing it takes as long as several scans, now and
  /// then.
  void lose_name(const std::atomic<std::size_t>& scans) {
    space_.reset();
    nameless_since_ = scans;
  }
  /// Whether a scan that could still know the name has ended.
  [[nodiscard]] bool is_forgotten(std::size_t scans) const { return scans >= nameless_since_ + 2; }

 private:
  std::vector<UniqueFd> sockets_;
  std::optional<NetworkNamespace> space_;
  std::size_t nameless_since_ = 0;
};

std::size_t count_told_by(const std::string& name) {
  return std::stoul(name.substr(name.rfind('x') + 1));
}

/// How many tenants the snapshot shows; each must have the sockets of its own, to the last.
std::size_t check_tenants(const Snapshot& snapshot, const std::string& prefix) {
  std::size_t seen = 0;
  for (const auto& pod : snapshot.pods) {
    if (!pod.name.starts_with(prefix) || pod.visibility != Visibility::kVisible) continue;
    EXPECT_EQ(pod.sums.states.of(TcpState::kCloseWait), count_told_by(pod.name)) << pod.name;
    ++seen;
  }
  return seen;
}

TEST(Churn, HundredsOfNamespacesComeAndGoUnderAScanLoop) {
  constexpr std::size_t kTenants = 400;
  constexpr std::size_t kAlive = 20;
  const auto prefix = "cw" + std::to_string(::getpid()) + "-churn";
  AgentScanner scanner;
  scanner.scan();
  const auto descriptors_before = open_descriptors();

  std::atomic<bool> done = false;
  std::atomic<std::size_t> scans = 0;
  const auto wait_for_scans = [&scans](std::size_t count) {
    const std::size_t before = scans;
    wait_until("scans have ended", [&] { return scans >= before + count; });
  };
  std::thread landlord([&] {
    std::deque<Tenant> tenants;
    std::deque<Tenant> leaving;
    for (std::size_t i = 0; i < kTenants || !leaving.empty(); ++i) {
      // However slow scans are, a whole one falls into each tenant's time.
      if (i % (kAlive / 2) == 0 && i < kTenants) wait_for_scans(2);
      if (i < kTenants) tenants.emplace_back(i, i % 13 + 1);
      if (!tenants.empty() && (tenants.size() > kAlive || i >= kTenants)) {
        tenants.front().lose_name(scans);
        leaving.push_back(std::move(tenants.front()));
        tenants.pop_front();
      }
      while (!leaving.empty() && leaving.front().is_forgotten(scans)) leaving.pop_front();
      std::this_thread::yield();
    }
    done = true;
  });
  std::size_t sightings = 0;
  while (!done) {
    sightings += check_tenants(scanner.scan(), prefix);
    ++scans;
  }
  landlord.join();

  EXPECT_GE(sightings, kTenants - kAlive);
  for (const auto& pod : scanner.scan().pods) EXPECT_FALSE(pod.name.starts_with(prefix));
  EXPECT_EQ(open_descriptors(), descriptors_before);
}

/// A pod as a kubelet and a runtime make it: a cgroup with a process in a namespace of its own,
/// whose uid tells how many CLOSE_WAIT sockets it has.
class FakeKubernetesPod {
 public:
  FakeKubernetesPod(std::string root, std::size_t number, std::size_t count)
      : root_(std::move(root)),
        uid_("cw" + std::to_string(::getpid()) + "-" + std::to_string(number) + "x" +
             std::to_string(count)),
        pod_(root_ + "/kubepods/pod" + uid_),
        container_(pod_ + "/" + std::string(64, 'a')),
        space_("kube" + std::to_string(number)),
        process_(space_, [count] { return testing::many_in_close_wait(count, 30); }) {
    process_.wait_until_ready();
    std::filesystem::create_directories(container_);
    move_to(container_);
  }
  FakeKubernetesPod(FakeKubernetesPod&& other) noexcept = default;
  FakeKubernetesPod& operator=(FakeKubernetesPod&&) = delete;
  FakeKubernetesPod(const FakeKubernetesPod&) = delete;
  FakeKubernetesPod& operator=(const FakeKubernetesPod&) = delete;
  ~FakeKubernetesPod() = default;

  /// Takes the pod away; its sockets live on, so that a scan that still knows it sees all of them.
  void leave(std::size_t scans) {
    move_to(root_);
    ::rmdir(container_.c_str());
    ::rmdir(pod_.c_str());
    left_at_ = scans;
  }
  [[nodiscard]] bool is_forgotten(std::size_t scans) const { return scans >= left_at_ + 2; }

 private:
  void move_to(const std::string& directory) const {
    std::ofstream procs(directory + "/cgroup.procs");
    procs << process_.pid() << std::flush;
    if (!procs.good()) throw std::runtime_error("cannot move a process to " + directory);
  }

  std::string root_;
  std::string uid_;
  std::string pod_;
  std::string container_;
  NetworkNamespace space_;
  testing::SocketHolder process_;
  std::size_t left_at_ = 0;
};

TEST(Churn, PodsComeAndGoUnderAScanLoop) {
  constexpr std::size_t kPods = 150;
  constexpr std::size_t kAlive = 10;
  const auto prefix = "cw" + std::to_string(::getpid()) + "-";
  // A root of its own: pods of others on this machine would come and go among what is counted.
  const auto root = cgroup_root() + "/churn" + std::to_string(::getpid());
  std::filesystem::create_directories(root + "/kubepods");
  auto config = AgentScanner::config_for(PodDiscovery::kKubernetes);
  config.paths.cgroup = root;
  AgentScanner scanner(config);
  scanner.scan();
  const auto descriptors_before = open_descriptors();

  // The pods are made between scans, on this thread, as it forks; they change on another, during
  // scans.
  std::deque<FakeKubernetesPod> pods;
  std::deque<FakeKubernetesPod> leaving;
  std::size_t scans = 0;
  std::size_t sightings = 0;
  for (std::size_t made = 0; made < kPods || !pods.empty() || !leaving.empty();) {
    if (made < kPods) {
      pods.emplace_back(root, made, made % 7 + 1);
      ++made;
    }
    std::thread eviction([&] {
      if (pods.size() <= kAlive && made < kPods) return;
      if (pods.empty()) return;
      pods.front().leave(scans);
      leaving.push_back(std::move(pods.front()));
      pods.pop_front();
    });
    sightings += check_tenants(scanner.scan(), prefix);
    eviction.join();
    ++scans;
    while (!leaving.empty() && leaving.front().is_forgotten(scans)) leaving.pop_front();
  }

  EXPECT_GT(sightings, kPods);
  for (const auto& pod : scanner.scan().pods) EXPECT_FALSE(pod.name.starts_with(prefix));
  EXPECT_EQ(open_descriptors(), descriptors_before);
  ::rmdir((root + "/kubepods").c_str());
  EXPECT_EQ(::rmdir(root.c_str()), 0);
}

// One end of a veth pair in the namespace, the other outside: the kernel takes both away when, and
// only when, the namespace has ended.
TEST(Churn, NoNamespaceIsKeptAliveByAScan) {
  const auto outside = "cwv" + std::to_string(::getpid() % 100'000);
  AgentScanner scanner;
  {
    const NetworkNamespace space("veth");
    const auto command =
        "ip link add " + outside + " type veth peer name inside netns " + space.name();
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c)
    ASSERT_NE(::if_nametoindex(outside.c_str()), 0U);
    scanner.scan();
    ASSERT_NE(scanner.last_pod(space.name()), nullptr);
  }
  // The scanner is still there, and its last snapshot still has the pod.
  wait_until("the veth pair is gone", [&] { return ::if_nametoindex(outside.c_str()) == 0; });
}

}  // namespace
}  // namespace closewatch
