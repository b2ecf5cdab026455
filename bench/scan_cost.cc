#include "bench/scan_cost.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "bench/agent_process.h"
#include "bench/allocations.h"
#include "bench/cpu.h"
#include "bench/tenants.h"
#include "tests/support/agent_scanner.h"
#include <fmt/format.h>

#include "closewatch/base/file.h"

namespace closewatch::bench {
namespace {

using testing::AgentScanner;

void read_text(const testing::SocketHolder& holder, std::vector<char>& buffer) {
  for (const auto* const file : {"/net/tcp", "/net/tcp6"}) {
    const auto path = "/proc/" + std::to_string(holder.pid()) + file;
    const auto fd = open_at(kWorkingFolder, path.c_str(), O_RDONLY);
    if (!fd) throw std::runtime_error(fd.error().what);
    while (::read(fd->get(), buffer.data(), buffer.size()) > 0) {
    }
  }
}

void run_ss(const testing::NetworkNamespace& space) {
  ::waitpid(spawn({"ss", "-N", space.name(), "-tan"}), nullptr, 0);
}

void print_cost(std::size_t namespaces, std::size_t connections) {
  const Tenants tenants(namespaces, connections);
  AgentScanner scanner;
  scanner.scan();
  const auto ours = cheapest(RUSAGE_SELF, [&] { scanner.scan(); });
  const auto allocations_before = allocations();
  scanner.scan();
  const auto allocated = allocations() - allocations_before;

  std::vector<char> buffer(std::size_t{64} << 10U);
  const auto text = cheapest(RUSAGE_SELF, [&] {
    for (const auto& holder : tenants.holders()) read_text(holder, buffer);
  });
  const auto ss = cheapest(RUSAGE_CHILDREN, [&] {
    for (const auto& space : tenants.spaces()) run_ss(space);
  });
  fmt::print("| {} × {} | {} | {} | {} | {} | {:.1f} | {:.1f} | {} |\n", namespaces, connections,
             namespaces * (2 * connections + 1), milliseconds(ours), milliseconds(text),
             milliseconds(ss), text / ours, ss / ours, allocated);
  (void)std::fflush(stdout);
}

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

void print_scan_cost() {
  fmt::print(
      "| namespaces × connections | sockets | closewatch, ms | text, ms | ss, ms | text ÷ "
      "closewatch | ss ÷ closewatch | allocations |\n|---|---|---|---|---|---|---|---|\n");
  for (const std::size_t connections : {0U, 100U, 1000U}) {
    for (const std::size_t namespaces : {10U, 110U, 250U}) print_cost(namespaces, connections);
  }
}

void print_agent_cost(const std::string& binary) {
  print_memory(binary);
  print_latency(binary);
}

}  // namespace closewatch::bench
