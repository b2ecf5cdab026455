#include "bench/agent_cost.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "bench/agent_process.h"
#include "bench/cpu.h"
#include "bench/tenants.h"
#include <fmt/format.h>

namespace closewatch::bench {
namespace {

void print_memory(const std::string& binary) {
  constexpr std::size_t kScans = 20;
  const Tenants tenants(110, 100);  // 200 sockets each, and a listener
  const AgentProcess agent(binary);
  AgentProcess::wait_for_scans(AgentProcess::connect_when_ready(), kScans);
  fmt::print(
      "\nMemory of the agent with 110 namespaces × 200 sockets, after {} scans and more scrapes: "
      "{:.1f} MiB resident.\n",
      kScans, agent.mebibytes("VmRSS"));
}

void print_latency(const std::string& binary) {
  constexpr std::size_t kScrapes = 2'000;
  const Tenants tenants(250, 10);
  const AgentProcess agent(binary);
  const auto connection = AgentProcess::connect_when_ready();
  std::vector<double> latencies;
  latencies.reserve(kScrapes);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kScrapes; ++i) {
    const auto start = std::chrono::steady_clock::now();
    bytes = AgentProcess::get(connection, "/metrics").size();
    latencies.push_back(Seconds(std::chrono::steady_clock::now() - start).count() * 1e3);
  }
  std::sort(latencies.begin(), latencies.end());
  fmt::print(
      "\nScrape of 250 pods ({} KiB) over a kept connection while scans go on: p50 {:.1f} ms, "
      "p99 {:.1f} ms of {} scrapes.\n",
      bytes / 1024, latencies[kScrapes / 2], latencies[kScrapes * 99 / 100], kScrapes);
}

}  // namespace

void print_agent_cost(const std::string& binary) {
  print_memory(binary);
  print_latency(binary);
}

}  // namespace closewatch::bench
