// SPDX-License-Identifier: Apache-2.0
#include "bench/agent_cost.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/agent_process.h"
#include "bench/cpu.h"
#include "bench/tenants.h"

namespace closewatch::bench {
namespace {

void print_memory(const std::string& binary) {
  constexpr std::size_t kScans = 3;
  fmt::print(
      "\nMemory of the agent after {} scans, with a scrape after each:\n\n"
      "| namespaces × connections | inet_diag, MiB | bpf, MiB | procfs, MiB |\n|---|---|---|---|\n",
      kScans);
  for (const std::size_t connections : {100U, 1000U}) {
    constexpr std::size_t kNamespaces = 110;
    const Tenants tenants(kNamespaces, connections);
    fmt::print("| {} × {} |", kNamespaces, connections);
    for (const auto* const engine : {"inet_diag", "bpf", "procfs"}) {
      const AgentProcess agent(binary, {.engine = engine});
      auto connection = AgentProcess::connect_when_ready();
      AgentProcess::wait_for_scans(connection, kScans);
      fmt::print(" {:.1f} |", agent.mebibytes("VmRSS"));
    }
    fmt::print("\n");
    (void)std::fflush(stdout);
  }
}

/// What an agent has used until now.
struct CpuSeconds {
  double scans = 0;
  double process = 0;
};

CpuSeconds cpu_seconds(http::Connection& connection) {
  return {AgentProcess::metric(connection, "closewatch_scan_cpu_seconds_total"),
          AgentProcess::metric(connection, "process_cpu_seconds_total")};
}

/// An agent as it runs for ever: a scan every 10 s, a scrape every 15 s as Prometheus asks.
void print_everyday(const std::string& binary, const std::string& engine, std::size_t connections) {
  constexpr std::chrono::seconds kBetweenScrapes{15};
  constexpr int kScrapes = 20;  // five minutes
  const Tenants tenants(110, connections);
  const AgentProcess agent(binary, {engine, "10s", "0.01"});
  auto connection = AgentProcess::connect_when_ready();
  const auto before = cpu_seconds(connection);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kScrapes; ++i) {
    std::this_thread::sleep_for(kBetweenScrapes);
    (void)AgentProcess::get(connection, "/metrics");
  }
  const Seconds lasted(std::chrono::steady_clock::now() - start);
  const auto after = cpu_seconds(connection);
  const auto percent = [&](double used) { return 100 * used / lasted.count(); };
  fmt::print("| 110 × {} | {} | {:.3f} % | {:.3f} % | {:.1f} MiB | {:g} s | {:g} |\n", connections,
             engine, percent(after.scans - before.scans), percent(after.process - before.process),
             agent.mebibytes("VmHWM"),
             AgentProcess::metric(connection, "closewatch_scan_interval_seconds"),
             engine == "auto" ? AgentProcess::metric(
                                    connection, "closewatch_engine_checks_total{result=\"agree\"}")
                              : 0);
  (void)std::fflush(stdout);
}

void print_latency(const std::string& binary) {
  constexpr std::size_t kScrapes = 2'000;
  const Tenants tenants(250, 10);
  const AgentProcess agent(binary);
  auto connection = AgentProcess::connect_when_ready();
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
      "\nScrape of 250 pods ({} KiB packed) over a kept connection while scans go on: p50 {:.1f} ms, "
      "p99 {:.1f} ms of {} scrapes.\n",
      bytes / 1024, latencies[kScrapes / 2], latencies[kScrapes * 99 / 100], kScrapes);
}

}  // namespace

void print_agent_cost(const std::string& binary) {
  print_memory(binary);
  print_latency(binary);
}

void print_everyday_cost(const std::string& binary) {
  fmt::print(
      "\nFive minutes with a scan every 10 s, if the budget allows, and a scrape every 15 s:\n\n"
      "| namespaces × connections | engine | scans, of one core | the whole agent | memory at most "
      "| interval | checks by the witness |\n|---|---|---|---|---|---|---|\n");
  for (const std::size_t connections : {10U, 100U, 1'000U}) {
    for (const auto* const engine : {"auto", "inet_diag", "bpf"}) {
      print_everyday(binary, engine, connections);
    }
  }
}

}  // namespace closewatch::bench
