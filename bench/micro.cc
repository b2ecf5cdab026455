// SPDX-License-Identifier: Apache-2.0
// The steps of the hot path on their own, without a kernel.

#include "tests/unit/kernel/netlink_messages.h"
#include <benchmark/benchmark.h>

#include "bench/allocations.h"
#include "closewatch/diagnosis/socket_tally.h"
#include "closewatch/metrics/prometheus_text.h"
#include "kernel/inet_diag_codec.h"

namespace closewatch {
namespace {

constexpr inet_diag::Exchange kExchange{inet_diag::Dump::kBothFamilies, 1, 1};
constexpr std::uint8_t kCloseWait = 8;

/// A datagram as large as the kernel makes them: 32 KiB of rows with a cgroup id.
std::vector<std::byte> full_datagram(std::size_t rows) {
  constexpr std::uint16_t kCgroupId = 21;
  constexpr std::uint64_t kId = 4711;
  testing::Datagram datagram(kExchange);
  for (std::size_t i = 0; i < rows; ++i) {
    datagram.row(testing::socket_message(kCloseWait), testing::attribute(kCgroupId, &kId, 8));
  }
  return datagram.bytes();
}

void decode_and_count(benchmark::State& state) {
  constexpr std::size_t kRows = 320;
  const auto datagram = full_datagram(kRows);
  SocketTally tally;
  const auto allocations_before = bench::allocations();
  for ([[maybe_unused]] auto _ : state) {
    tally.restart();
    benchmark::DoNotOptimize(inet_diag::decode_datagram(datagram, kExchange, tally));
  }
  const auto rows = static_cast<double>(state.iterations()) * kRows;
  state.counters["rows_per_second"] = benchmark::Counter(rows, benchmark::Counter::kIsRate);
  state.counters["allocations_per_row"] =
      static_cast<double>(bench::allocations() - allocations_before) / rows;
}
BENCHMARK(decode_and_count);

void write_exposition(benchmark::State& state) {
  Snapshot snapshot;
  snapshot.node.emplace();
  snapshot.interval = std::chrono::seconds(10);
  for (int i = 0; i < state.range(0); ++i) {
    auto& pod = snapshot.pods.emplace_back();
    pod.pod_namespace = "production-shop";
    pod.name = "checkout-7d9c5b6f4-" + std::to_string(10'000 + i);
    pod.uid = "0f4e5d6c-7b8a-4910-a2b3-c4d5e6f" + std::to_string(10'000 + i);
    pod.visibility = Visibility::kVisible;
    pod.sums.listeners = {{8080, 0, 128}, {9090, 0, 128}};
  }
  std::size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) bytes = snapshot_text(snapshot, {}).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(write_exposition)->Arg(110)->Arg(250)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace closewatch

BENCHMARK_MAIN();
