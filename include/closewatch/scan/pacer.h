// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>

namespace closewatch {

/// Stretches the time between scans so that they stay under a share of one core over some minutes:
/// one that was dear by accident changes nothing. A value.
class Pacer {
 public:
  /// `budget`: CPU seconds per second, 0.01 for one per cent of a core. Beyond `longest` the budget
  /// gives way: counts that are too old are of no use.
  Pacer(std::chrono::nanoseconds interval, double budget, std::chrono::nanoseconds longest);

  /// What the interval must be after a scan that cost `cpu`: the configured one, or as many whole
  /// seconds as the budget asks for. It grows at once and shrinks only when it could by a fifth, so
  /// that it does not waver with each scan.
  std::chrono::nanoseconds after(std::chrono::nanoseconds cpu);
  /// The interval that was asked for.
  [[nodiscard]] std::chrono::nanoseconds configured() const { return configured_; }
  /// What scans have cost says nothing of the next ones: another engine reads.
  void forget();
  /// The last scans cost more than the budget allows even so.
  [[nodiscard]] bool over_budget() const { return over_budget_; }

 private:
  struct Scan {
    std::chrono::nanoseconds cpu;
    std::chrono::nanoseconds interval;  ///< that was in force when it was over
  };
  [[nodiscard]] std::chrono::duration<double> due() const;
  void forget_old();

  std::chrono::nanoseconds configured_;
  double budget_;
  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds in_force_;
  std::deque<Scan> scans_;  ///< those of the window, the last one at the end
  std::size_t missing_;     ///< how many there were not yet since the start, and cost nothing
  bool over_budget_ = false;
};

}  // namespace closewatch
