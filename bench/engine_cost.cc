// SPDX-License-Identifier: Apache-2.0
#include "bench/engine_cost.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/agent_scanner.h"
#include <fmt/format.h>

#include "bench/allocations.h"
#include "bench/cpu.h"
#include "bench/node_exporter.h"
#include "bench/others.h"
#include "bench/tenants.h"
#include "bench/touch_walk.h"
#include "closewatch/kernel/engine.h"

namespace closewatch::bench {
namespace {

using testing::AgentScanner;

AgentScanner scanner_with(Engine engine) {
  auto config = AgentScanner::config_for(PodDiscovery::kStandalone);
  for (const auto& option : option_table()) {
    if (option.name == "scan.engine") (void)option.set(config, name_of(engine));
  }
  return AgentScanner(config);
}

/// A whole scan: finding namespaces, opening them, reading, diagnosing, making the snapshot.
Cost scan_cost(Engine engine) {
  auto scanner = scanner_with(engine);
  return median(RUSAGE_SELF, [&] { scanner.scan(); });
}

/// How often a scan calls `operator new`.
std::size_t scan_allocations(Engine engine) {
  auto scanner = scanner_with(engine);
  scanner.scan();
  const auto before = allocations();
  scanner.scan();
  return allocations() - before;
}

Cost limit_of_a_walk() {
  TouchWalk walk;
  return median(RUSAGE_SELF, [&] { walk.run(); });
}

/// Who goes namespace by namespace looks at each socket as often as there are namespaces.
bool takes_minutes(std::size_t namespaces, std::size_t sockets) {
  constexpr std::size_t kLooks = 100'000'000;
  return namespaces * sockets > kLooks;
}

std::string whole_milliseconds(Seconds seconds) {
  return fmt::format("{:.0f}", seconds.count() * 1e3);
}

/// "–" of what would take too long.
using Cell = std::optional<Cost>;

std::string cpu_of(const Cell& cell) { return cell ? milliseconds(cell->cpu) : "–"; }
std::string wall_of(const Cell& cell) { return cell ? whole_milliseconds(cell->wall) : "–"; }
std::string ratio(const Cell& a, const Cell& b) {
  return a && b ? fmt::format("{:.1f}", a->cpu / b->cpu) : "–";
}

void print_row(std::size_t namespaces, std::size_t connections, const NodeExporter& node_exporter) {
  const Tenants tenants(namespaces, connections);
  const auto sockets = namespaces * (2 * connections + 1);
  const Cell bpf = scan_cost(Engine::kBpf);
  const Cell limit = limit_of_a_walk();
  const Cell exporter = node_exporter.cost();
  Cell inet_diag;
  Cell procfs;
  Cell text;
  Cell ss;
  if (!takes_minutes(namespaces, sockets)) {
    inet_diag = scan_cost(Engine::kInetDiag);
    procfs = scan_cost(Engine::kProcfs);
    text = text_cost(tenants);
    ss = ss_cost(tenants);
  }
  fmt::print(
      "| {} × {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}, {} | {} |\n",
      namespaces, connections, sockets, cpu_of(inet_diag), cpu_of(bpf), cpu_of(procfs),
      cpu_of(text), cpu_of(ss), cpu_of(exporter), cpu_of(limit), ratio(inet_diag, bpf),
      ratio(text, bpf), ratio(text, inet_diag), ratio(bpf, limit), wall_of(inet_diag), wall_of(bpf),
      scan_allocations(Engine::kBpf));
  (void)std::fflush(stdout);
}

}  // namespace

void print_engine_cost() {
  fmt::print(
      "| namespaces × connections | sockets | inet_diag, ms | bpf, ms | procfs, ms | text, ms | ss, ms | "
      "node_exporter, ms | one walk at least, ms | inet_diag ÷ bpf | text ÷ bpf | text ÷ inet_diag | bpf ÷ least | "
      "time of inet_diag, bpf, ms | allocations of bpf |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  constexpr std::size_t kMostConnections = 1'000'000;  // some 9 GB of memory
  const NodeExporter node_exporter;
  for (const std::size_t connections : {0U, 100U, 1000U, 4000U}) {
    for (const std::size_t namespaces : {10U, 110U, 250U, 500U}) {
      if (namespaces * connections > kMostConnections) continue;
      print_row(namespaces, connections, node_exporter);
    }
  }
}

void print_flatness() {
  constexpr std::size_t kSockets = 100'000;
  constexpr std::size_t kProcesses = 500;
  fmt::print(
      "| namespaces | sockets | inet_diag, ms | bpf, ms | bpf ÷ with 10 |\n|---|---|---|---|---|\n");
  Cell with_few;
  for (const std::size_t namespaces : {10U, 50U, 125U, 250U, 500U}) {
    const auto connections = kSockets / 2 / namespaces;
    const Tenants tenants(namespaces, connections, 0, kProcesses / namespaces);
    const auto inet_diag = scan_cost(Engine::kInetDiag);
    const auto bpf = scan_cost(Engine::kBpf);
    if (!with_few) with_few = bpf;
    fmt::print("| {} | {} | {} | {} | {:.2f} |\n", namespaces, namespaces * (2 * connections + 1),
               milliseconds(inet_diag.cpu), milliseconds(bpf.cpu), bpf.cpu / with_few->cpu);
    (void)std::fflush(stdout);
  }
}

}  // namespace closewatch::bench
