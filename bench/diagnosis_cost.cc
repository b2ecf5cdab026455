// SPDX-License-Identifier: Apache-2.0
#include "bench/diagnosis_cost.h"

#include <cstdio>
#include <stdexcept>
#include <vector>

#include "tests/support/agent_scanner.h"
#include <fmt/format.h>

#include "bench/agent_process.h"
#include "bench/allocations.h"
#include "bench/cpu.h"
#include "bench/tenants.h"
#include "closewatch/diagnosis/state_counts.h"
#include "kernel/inet_diag_source.h"

namespace closewatch::bench {
namespace {

using testing::AgentScanner;

/// Counts states and nothing else.
class StateSink final : public RowSink {
 public:
  void counted(const SocketCount& /*count*/) override {}
  void port_in_use(std::uint16_t /*port*/) override {}
  void restart() override { counts_ = {}; }
  void row(const SocketRow& row) override { counts_.add(row.state); }
  [[nodiscard]] bool leaks() const { return counts_.of(TcpState::kCloseWait) > 0; }

 private:
  StateCounts counts_;
};

/// What scanning is without a diagnosis: finding the namespaces, entering and dumping each,
/// counting.
class PlainScan {
 public:
  enum class Ages : std::uint8_t { kNone, kSecondDump, kSameDump };

  void run(Ages ages) {
    const auto pods = discovery_.list();
    if (!pods) throw std::runtime_error(pods.error().what);
    const auto node = opener_.open(*pods->node);
    for (const auto& pod : pods->pods) {
      const auto namespaces = opener_.open(pod, node->id);
      if (!namespaces) throw std::runtime_error(namespaces.error().what);
      for (const auto& space : namespaces->own) read(space.fd.get(), ages);
    }
  }

 private:
  void read(int space, Ages ages) {
    check(sockets_.read(space, {.tcp_info = ages == Ages::kSameDump}, sink_));
    if (ages == Ages::kSecondDump && sink_.leaks()) {
      check(
          sockets_.read(space, {.states = bit_of(TcpState::kCloseWait), .tcp_info = true}, sink_));
    }
  }
  static void check(const Result<SocketReading>& reading) {
    if (!reading) throw std::runtime_error(reading.error().what);
  }

  StandaloneNamespaces discovery_{"/proc", "/run/netns"};
  NamespaceOpener opener_{"/proc"};
  InetDiagSource sockets_{*make_netlink_opener()};
  StateSink sink_;
};

void print_cost(std::size_t namespaces, std::size_t connections, std::size_t close_wait) {
  const Tenants tenants(namespaces, connections, close_wait);
  PlainScan plain;
  AgentScanner scanner;
  const auto costs = median_of_each({
      [&] { plain.run(PlainScan::Ages::kNone); },
      [&] { plain.run(PlainScan::Ages::kSecondDump); },
      [&] { plain.run(PlainScan::Ages::kSameDump); },
      [&] { scanner.scan(); },
  });
  const auto allocations_before = allocations();
  scanner.scan();
  const auto allocated = allocations() - allocations_before;
  fmt::print("| {} × {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {} |\n", namespaces, connections,
             close_wait, milliseconds(costs[0]), costs[1] / costs[0], costs[2] / costs[0],
             costs[3] / costs[0], allocated);
  (void)std::fflush(stdout);
}

void print_memory(const std::string& binary, std::size_t namespaces, std::size_t each) {
  const auto measure = [&](std::size_t close_wait) {
    const Tenants tenants(namespaces, close_wait, close_wait);
    const AgentProcess agent(binary);
    auto connection = AgentProcess::connect_when_ready();
    AgentProcess::wait_for_scans(connection, 3);
    return std::pair(agent.mebibytes("VmRSS"), agent.mebibytes("VmHWM"));
  };
  const auto [idle, idle_peak] = measure(0);
  const auto [resident, peak] = measure(each);
  const auto bytes_each = [&](double mebibytes) {
    return mebibytes * 1024 * 1024 / static_cast<double>(namespaces * each);
  };
  fmt::print("| {} × {} | {:.1f} | {:.1f} | {:.0f} | {:.1f} | {:.0f} |\n", namespaces, each, idle,
             resident, bytes_each(resident - idle), peak, bytes_each(peak - idle_peak));
  (void)std::fflush(stdout);
}

}  // namespace

void print_diagnosis_cost() {
  fmt::print(
      "| namespaces × connections | of these in CLOSE_WAIT | counting only, ms | with a second "
      "dump for ages | with ages in the same dump | closewatch with diagnosis | allocations "
      "|\n|---|---|---|---|---|---|---|\n");
  print_cost(110, 100, 0);
  print_cost(110, 100, 25);
  print_cost(110, 1000, 250);
}

void print_diagnosis_memory(const std::string& binary) {
  fmt::print(
      "| namespaces × CLOSE_WAIT | without, MiB | with, MiB | bytes each | peak in a scan, MiB | "
      "bytes each |\n|---|---|---|---|---|---|\n");
  print_memory(binary, 100, 2'000);
  print_memory(binary, 1, 200'000);
}

}  // namespace closewatch::bench
