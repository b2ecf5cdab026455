// SPDX-License-Identifier: Apache-2.0
#include "bench/node_exporter.h"

#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/network_namespace.h"

#include "bench/agent_process.h"

namespace closewatch::bench {
namespace {

constexpr const char* kAddress = "127.0.0.1:20089";

bool scrape() {
  int status = 0;
  ::waitpid(spawn({"curl", "-sf", std::string(kAddress) + "/metrics"}), &status, 0);
  return status == 0;
}

}  // namespace

NodeExporter::NodeExporter()
    : pid_(spawn({"prometheus-node-exporter", "--collector.disable-defaults", "--collector.tcpstat",
                  "--web.disable-exporter-metrics",
                  std::string("--web.listen-address=") + kAddress})) {
  testing::wait_until("node_exporter answers", scrape);
}

NodeExporter::~NodeExporter() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

Cost NodeExporter::cost() const {
  constexpr int kScrapes = 10;
  const auto before = cpu();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kScrapes; ++i) scrape();
  return {(cpu() - before) / kScrapes, (std::chrono::steady_clock::now() - start) / kScrapes};
}

/// Of all its threads; the first number in each one's schedstat is nanoseconds
/// (Documentation/scheduler/sched-stats.rst).
Seconds NodeExporter::cpu() const {
  std::chrono::nanoseconds sum{};
  const auto threads = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& thread : std::filesystem::directory_iterator(threads)) {
    std::int64_t spent = 0;
    std::ifstream(thread.path() / "schedstat") >> spent;
    sum += std::chrono::nanoseconds(spent);
  }
  return sum;
}

}  // namespace closewatch::bench
