// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/network_namespace.h"
#include "tests/support/tcp_sockets.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::NetworkNamespace;

/// The engine that reads while the agent runs changes, over real sockets.
class EngineChange : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::engine_under_test() != "bpf") GTEST_SKIP() << "it needs bpf, and is one test";
  }

  /// So small a budget that inet_diag is dear from the first scan on.
  static Config config() {
    auto config = AgentScanner::config_for(PodDiscovery::kStandalone);
    config.scan.engine = EngineChoice::kAuto;
    config.scan.cpu_budget = 0.000'001;
    return config;
  }

  static Engine engine_of(const Snapshot& snapshot) {
    for (const auto& [engine, reason] : snapshot.engines) {
      if (reason.empty()) return engine;
    }
    throw std::runtime_error("no engine is in use");
  }
};

TEST_F(EngineChange, LosesNoAgeAndInventsNothing) {
  constexpr std::size_t kSockets = 300;
  std::vector<UniqueFd> sockets;
  const NetworkNamespace space("cwchange",
                               [&] { sockets = testing::many_in_close_wait(kSockets, 20); });
  AgentScanner agent(config());
  agent.scan();
  ASSERT_EQ(engine_of(agent.last()), Engine::kInetDiag);
  const auto oldest = [&] {
    return agent.last_visible(space.name()).diagnosis.sockets.front().age;
  };
  auto age = oldest();
  for (int scan = 0; scan < 4; ++scan) {
    agent.scan();
    const auto& pod = agent.last_visible(space.name());
    EXPECT_EQ(pod.sums.states.of(TcpState::kCloseWait), kSockets);
    EXPECT_EQ(pod.diagnosis.entered, 0U);
    EXPECT_EQ(pod.diagnosis.left, 0U);
    EXPECT_GE(oldest(), age);
    age = oldest();
  }
  EXPECT_EQ(engine_of(agent.last()), Engine::kBpf);
}

}  // namespace
}  // namespace closewatch
