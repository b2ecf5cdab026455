#include "closewatch/scan/pacer.h"

#include <algorithm>
#include <cmath>

#include "closewatch/base/seconds.h"

namespace closewatch {

Pacer::Pacer(std::chrono::nanoseconds interval, double budget)
    : configured_(interval), budget_(budget), in_force_(interval) {}

std::chrono::nanoseconds Pacer::after(std::chrono::nanoseconds cpu) {
  constexpr double kShrinkBelow = 0.8;
  const double due = seconds(cpu) / budget_;
  const auto whole = std::chrono::seconds(static_cast<std::int64_t>(std::ceil(due)));
  // A budget that is met as configured needs no rounding.
  const bool within = seconds(configured_) >= due;
  const auto needed = within ? configured_ : std::chrono::nanoseconds(whole);
  const bool shrinks_enough = due <= kShrinkBelow * seconds(in_force_);
  if (needed > in_force_ || shrinks_enough) in_force_ = needed;
  return in_force_;
}

}  // namespace closewatch
