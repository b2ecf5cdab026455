// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/network_namespace.h"
#include "tests/support/tcp_sockets.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/file.h"
#include "kernel/bpf_source.h"

namespace closewatch {
namespace {

using testing::AgentScanner;
using ::testing::HasSubstr;
using testing::NetworkNamespace;
using ::testing::Not;
using testing::Wire;

std::string faults_directory() {
  const auto* const given = std::getenv("CLOSEWATCH_BPF_FAULTS");
  return given == nullptr ? CLOSEWATCH_BPF_FAULTS : given;
}

std::vector<std::string> planted_faults() {
  std::vector<std::string> names;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(faults_directory(), gone)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

std::string content_of(const std::filesystem::path& file) {
  std::string content;
  const auto read = read_file_at(kWorkingDirectory, file.c_str(), content);
  if (!read) throw std::runtime_error(read.error().what);
  return content;
}

/// bpf with the fault; all else as it is.
SourceMaker with_fault(const std::string& fault) {
  return [fault](Engine engine) -> Result<std::unique_ptr<SocketSource>> {
    if (engine != Engine::kBpf) return make_another(engine);
    const auto directory = std::filesystem::path(faults_directory()) / fault;
    const auto by_loads = content_of(directory / "socket_walk_by_loads.bpf.o");
    const auto by_helper = content_of(directory / "socket_walk.bpf.o");
    auto program = load_walk_program({.objects = WalkObjects{std::as_bytes(std::span(by_loads)),
                                                             std::as_bytes(std::span(by_helper))}});
    if (!program) return tl::unexpected(program.error());
    return std::make_unique<BpfSource>(std::move(*program));
  };
}

/// So small a budget that inet_diag is dear from the first scan on.
Config config() {
  auto config = AgentScanner::config_for(PodDiscovery::kStandalone);
  config.scan.engine = EngineChoice::kAuto;
  config.scan.cpu_budget = 0.000'001;
  return config;
}

std::string reason_of(const Snapshot& snapshot, Engine wanted) {
  for (const auto& [engine, reason] : snapshot.engines) {
    if (engine == wanted) return std::string(reason);
  }
  throw std::runtime_error("no such engine");
}

/// A cgroup that this process is in, so that its sockets carry another than the root's.
class OwnCgroup {
 public:
  OwnCgroup() : directory_(testing::cgroup_root() + "/closewatch-" + std::to_string(::getpid())) {
    std::filesystem::create_directory(directory_);
    testing::enter_cgroup(directory_);
  }
  OwnCgroup(const OwnCgroup&) = delete;
  OwnCgroup& operator=(const OwnCgroup&) = delete;
  ~OwnCgroup() {
    testing::enter_cgroup(testing::cgroup_root());
    ::rmdir(directory_.c_str());
  }

 private:
  std::string directory_;
};

/// Sockets of several kinds, whose numbers stay.
struct Furnished {
  static constexpr std::size_t kCloseWait = 1000;  // some in each 64th bucket
  static constexpr std::size_t kEstablished = 20;  // each with its other end

  explicit Furnished(const std::string& name)
      : space(name, [this] {
          sockets = testing::many_in_close_wait(kCloseWait, 20);
          others = testing::sockets_in(TcpState::kEstablished, Wire::kIpv6, kEstablished);
          unread = testing::sockets_in(TcpState::kLastAck, Wire::kIpv4, 5);
        }) {}

  std::vector<UniqueFd> sockets;
  std::vector<UniqueFd> others;
  std::vector<UniqueFd> unread;
  NetworkNamespace space;
};

class PlantedFault : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (testing::engine_under_test() != "bpf") GTEST_SKIP() << "it needs bpf, and is one test";
  }
};

TEST_P(PlantedFault, IsFoundAndInetDiagReads) {
  constexpr int kMostScans = 3000;
  const OwnCgroup cgroup;
  const Furnished one("cwfault1");
  const Furnished other("cwfault2");
  AgentScanner agent(config(), nullptr, with_fault(GetParam()));
  AgentScanner sound([] {
    auto config = AgentScanner::config_for(PodDiscovery::kStandalone);
    config.scan.engine = EngineChoice::kInetDiag;
    return config;
  }());
  const auto& truth = sound.sums_of(one.space.name());
  agent.scan();
  const auto age = agent.last_visible(one.space.name()).diagnosis.sockets.front().age;
  int scans = 0;
  while (reason_of(agent.scan(), Engine::kBpf) != "disagrees") ASSERT_LT(++scans, kMostScans);

  const auto& checks = *agent.last().checks;
  EXPECT_EQ(checks.disagree, 2U);
  RecordProperty("agreed_before", static_cast<int>(checks.agree));
  EXPECT_LE(checks.agree, 2 * agent.last().pods.size() + 1) << "one round, and what began before";
  ASSERT_EQ(agent.last().complaints.size(), 1U);
  RecordProperty("said", agent.last().complaints.front());
  EXPECT_THAT(agent.last().complaints.front(), HasSubstr("inet_diag says"));
  EXPECT_THAT(agent.last().complaints.front(), HasSubstr("bpf says"));
  EXPECT_EQ(reason_of(agent.last(), Engine::kInetDiag), "");

  // From this scan on all is inet_diag's.
  const auto& pod = agent.last_visible(one.space.name());
  EXPECT_EQ(pod.sums, truth);
  EXPECT_EQ(pod.sums.states.of(TcpState::kCloseWait), Furnished::kCloseWait);
  EXPECT_GE(pod.diagnosis.sockets.front().age, age);
  const auto entered = pod.diagnosis.entered;
  const auto left = pod.diagnosis.left;
  for (int scan = 0; scan < 3; ++scan) {
    agent.scan();
    EXPECT_EQ(agent.last_visible(one.space.name()).diagnosis.entered, entered);
    EXPECT_EQ(agent.last_visible(one.space.name()).diagnosis.left, left);
    EXPECT_EQ(agent.last().complaints, std::vector<std::string>());
    EXPECT_EQ(reason_of(agent.last(), Engine::kBpf), "disagrees");
  }
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedFault, ::testing::ValuesIn(planted_faults()),
                         [](const auto& fault) { return fault.param; });

class EngineWitnesses : public PlantedFault {};

TEST_F(EngineWitnesses, AgreeHoweverBusyAPodIs) {
  constexpr std::uint64_t kChecks = 60;
  const Furnished still("cwstill");
  const NetworkNamespace busy("cwbusy");
  std::atomic<bool> ended = false;
  std::thread storm([&] {
    busy.run([&] {
      const auto listener = testing::listen_on(Wire::kIpv4, 16);
      while (!ended) {
        auto connection = testing::connected(Wire::kIpv4, listener);
        testing::half_close(connection.client);
        testing::send_bytes(connection.server, 10);
      }
    });
  });
  AgentScanner agent(config());
  agent.scan();
  while (!agent.last().checks || agent.last().checks->agree < kChecks) {
    agent.scan();
    if (agent.last().checks && agent.last().checks->disagree > 0) break;
  }
  ended = true;
  storm.join();
  EXPECT_EQ(agent.last().checks->disagree, 0U);
  EXPECT_EQ(reason_of(agent.last(), Engine::kBpf), "");
}

}  // namespace
}  // namespace closewatch
