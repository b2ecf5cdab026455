#pragma once

#include <chrono>

namespace closewatch {

/// Stretches the time between scans so that they stay under a share of one core. A value.
class Pacer {
 public:
  /// `budget`: CPU seconds per second, 0.01 for one per cent of a core.
  Pacer(std::chrono::nanoseconds interval, double budget);

  /// What the interval must be after a scan that cost `cpu`: the configured one, or as many whole
  /// seconds as the budget asks for. It grows at once and shrinks only when it could by a fifth, so
  /// that it does not waver with each scan.
  std::chrono::nanoseconds after(std::chrono::nanoseconds cpu);

 private:
  std::chrono::nanoseconds configured_;
  double budget_;
  std::chrono::nanoseconds in_force_;
};

}  // namespace closewatch
