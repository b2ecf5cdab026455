#include "bench/cpu.h"

#include <sys/resource.h>

#include <algorithm>

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

Cost cheapest(int who, const std::function<void()>& work) {
  constexpr int kRuns = 100;
  constexpr Seconds kEnough{3};
  Cost best{Seconds::max(), {}};
  Seconds spent{};
  for (int run = 0; run < kRuns && spent < kEnough; ++run) {
    const auto before = cpu_of(who);
    const auto start = std::chrono::steady_clock::now();
    work();
    const Cost cost{cpu_of(who) - before, std::chrono::steady_clock::now() - start};
    if (cost.cpu < best.cpu) best = cost;
    spent += cost.cpu;
  }
  return best;
}

std::vector<Seconds> cheapest_of_each(const std::vector<std::function<void()>>& works) {
  constexpr int kRuns = 7;
  std::vector<Seconds> best(works.size(), Seconds::max());
  for (int run = 0; run < kRuns; ++run) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      const auto before = cpu_of(RUSAGE_SELF);
      works[i]();
      best[i] = std::min(best[i], cpu_of(RUSAGE_SELF) - before);
    }
  }
  return best;
}

std::string milliseconds(Seconds seconds) { return fmt::format("{:.1f}", seconds.count() * 1e3); }

}  // namespace closewatch::bench
