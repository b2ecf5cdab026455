#include "bench/engine_cost.h"

#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/allocations.h"
#include "bench/cpu.h"
#include "bench/others.h"
#include "bench/tenants.h"
#include "bench/touch_walk.h"
#include "tests/support/agent_scanner.h"
#include <fmt/format.h>

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

/// CPU of a whole scan: finding namespaces, opening them, reading, diagnosing, making the snapshot.
Seconds scan_cost(Engine engine) {
  auto scanner = scanner_with(engine);
  scanner.scan();
  return cheapest(RUSAGE_SELF, [&] { scanner.scan(); });
}

/// How often a scan calls `operator new`.
std::size_t scan_allocations(Engine engine) {
  auto scanner = scanner_with(engine);
  scanner.scan();
  const auto before = allocations();
  scanner.scan();
  return allocations() - before;
}

struct Costs {
  Seconds inet_diag = scan_cost(Engine::kInetDiag);
  Seconds bpf = scan_cost(Engine::kBpf);
  Seconds procfs = scan_cost(Engine::kProcfs);
};

Seconds limit_of_a_walk() {
  TouchWalk walk;
  return cheapest(RUSAGE_SELF, [&] { walk.run(); });
}

void print_row(std::size_t namespaces, std::size_t connections) {
  const Tenants tenants(namespaces, connections);
  const Costs costs;
  const auto text = text_cost(tenants);
  const auto ss = ss_cost(tenants);
  const auto limit = limit_of_a_walk();
  fmt::print(
      "| {} × {} | {} | {} | {} | {} | {} | {} | {} | {:.0f} | {:.0f} | {:.1f} | {:.1f} | {}, {} |\n",
      namespaces, connections, namespaces * (2 * connections + 1), milliseconds(costs.inet_diag),
      milliseconds(costs.bpf), milliseconds(costs.procfs), milliseconds(text), milliseconds(ss),
      milliseconds(limit), costs.inet_diag / costs.bpf, text / costs.bpf, text / costs.inet_diag,
      costs.bpf / limit, scan_allocations(Engine::kInetDiag), scan_allocations(Engine::kBpf));
  (void)std::fflush(stdout);
}

}  // namespace

void print_engine_cost() {
  fmt::print(
      "| namespaces × connections | sockets | inet_diag, ms | bpf, ms | procfs, ms | text, ms | ss, ms | one "
      "walk at least, ms | inet_diag ÷ bpf | text ÷ bpf | text ÷ inet_diag | bpf ÷ least | allocations: inet_diag, bpf "
      "|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const std::size_t connections : {0U, 100U, 1000U}) {
    for (const std::size_t namespaces : {10U, 110U, 250U}) print_row(namespaces, connections);
  }
}

void print_flatness() {
  constexpr std::size_t kSockets = 100'000;
  fmt::print(
      "| namespaces | sockets | inet_diag, ms | bpf, ms | bpf ÷ with 10 |\n|---|---|---|---|---|\n");
  Seconds with_few{};
  for (const std::size_t namespaces : {10U, 50U, 110U, 250U, 500U}) {
    const Tenants tenants(namespaces, kSockets / 2 / namespaces);
    const auto inet_diag = scan_cost(Engine::kInetDiag);
    const auto bpf = scan_cost(Engine::kBpf);
    if (with_few == Seconds{}) with_few = bpf;
    fmt::print("| {} | {} | {} | {} | {:.2f} |\n", namespaces,
               namespaces * (2 * (kSockets / 2 / namespaces) + 1), milliseconds(inet_diag),
               milliseconds(bpf), bpf / with_few);
    (void)std::fflush(stdout);
  }
}

}  // namespace closewatch::bench
