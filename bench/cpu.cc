// SPDX-License-Identifier: Apache-2.0
#include "bench/cpu.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include <fmt/format.h>

namespace closewatch::bench {

Seconds cpu_of(int who) {
  rusage used{};
  ::getrusage(who, &used);
  const auto of = [](const timeval& time) {
    return Seconds(static_cast<double>(time.tv_sec)) +
           Seconds(1e-6 * static_cast<double>(time.tv_usec));
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

Cost median(int who, const std::function<void()>& work) {
  constexpr int kRuns = 101;
  constexpr Seconds kEnough{3};
  std::vector<Cost> costs;
  Seconds spent{};
  for (int run = 0; run < kRuns && spent < kEnough; ++run) {
    const auto before = cpu_of(who);
    const auto start = std::chrono::steady_clock::now();
    work();
    costs.push_back({cpu_of(who) - before, std::chrono::steady_clock::now() - start});
    spent += costs.back().cpu;
  }
  const auto middle = costs.begin() + static_cast<std::ptrdiff_t>(costs.size() / 2);
  std::nth_element(costs.begin(), middle, costs.end(),
                   [](const Cost& a, const Cost& b) { return a.cpu < b.cpu; });
  return *middle;
}

std::vector<Seconds> median_of_each(const std::vector<std::function<void()>>& works) {
  constexpr std::size_t kRuns = 7;
  std::vector<std::array<Seconds, kRuns>> costs(works.size());
  for (std::size_t run = 0; run < kRuns; ++run) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      const auto before = cpu_of(RUSAGE_SELF);
      works[i]();
      costs[i].at(run) = cpu_of(RUSAGE_SELF) - before;
    }
  }
  std::vector<Seconds> medians;
  for (auto& of_one : costs) {
    auto* const middle = of_one.begin() + kRuns / 2;
    std::nth_element(of_one.begin(), middle, of_one.end());
    medians.push_back(*middle);
  }
  return medians;
}

std::string milliseconds(Seconds seconds) { return fmt::format("{:.1f}", seconds.count() * 1e3); }

}  // namespace closewatch::bench
