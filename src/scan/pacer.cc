// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/pacer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "closewatch/base/seconds.h"

namespace closewatch {
namespace {

/// Over so long the budget is kept.
constexpr std::chrono::minutes kWindow{5};
/// So many scans share their costs, even after the start: the first ones are dear, as nothing that
/// they need has been read before.
constexpr std::size_t kFewestScans = 10;

}  // namespace

Pacer::Pacer(std::chrono::nanoseconds interval, double budget, std::chrono::nanoseconds longest)
    : configured_(interval),
      budget_(budget),
      longest_(std::max(longest, interval)),
      in_force_(interval),
      missing_(kFewestScans) {}

std::chrono::nanoseconds Pacer::after(std::chrono::nanoseconds cpu) {
  constexpr double kShrinkBelow = 0.8;
  scans_.push_back({cpu, in_force_});
  if (missing_ > 0) --missing_;
  forget_old();
  const auto due_seconds = due().count();
  over_budget_ = due_seconds > seconds(longest_);
  const auto whole = std::chrono::seconds(
      static_cast<std::int64_t>(std::ceil(std::min(due_seconds, seconds(longest_)))));
  // A budget that is met as configured needs no rounding.
  const bool within = seconds(configured_) >= due_seconds;
  const auto needed = within
                          ? configured_
                          : std::min<std::chrono::nanoseconds>(
                                std::max<std::chrono::nanoseconds>(whole, configured_), longest_);
  const bool shrinks_enough = due_seconds <= kShrinkBelow * seconds(in_force_);
  if (needed > in_force_ || shrinks_enough) in_force_ = needed;
  scans_.back().interval = in_force_;
  return in_force_;
}

void Pacer::forget() {
  scans_.clear();
  missing_ = kFewestScans;
  in_force_ = configured_;
}

/// The interval at which the scans of the window would keep to the budget.
std::chrono::duration<double> Pacer::due() const {
  const auto cpu = std::accumulate(
      scans_.begin(), scans_.end(), std::chrono::nanoseconds::zero(),
      [](std::chrono::nanoseconds sum, const Scan& scan) { return sum + scan.cpu; });
  const auto scans = static_cast<double>(scans_.size() + missing_);
  return std::chrono::duration<double>(seconds(cpu) / scans / budget_);
}

/// Those whose time has passed before the window; the last few in any case.
void Pacer::forget_old() {
  auto time = std::accumulate(
      scans_.begin(), scans_.end(), std::chrono::nanoseconds::zero(),
      [](std::chrono::nanoseconds sum, const Scan& scan) { return sum + scan.interval; });
  constexpr std::size_t kFewest = 3;
  while (scans_.size() > kFewest && time - scans_.front().interval >= kWindow) {
    time -= scans_.front().interval;
    scans_.pop_front();
  }
}

}  // namespace closewatch
