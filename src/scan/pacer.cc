#include "closewatch/scan/pacer.h"

#include <algorithm>
#include <cmath>

namespace closewatch {

Pacer::Pacer(std::chrono::nanoseconds interval, double budget)
    : configured_(interval), budget_(budget), in_force_(interval) {}

std::chrono::nanoseconds Pacer::after(std::chrono::nanoseconds cpu) {
  constexpr double kShrinkBelow = 0.8;
  const double seconds = std::chrono::duration<double>(cpu).count() / budget_;
  const auto whole = std::chrono::seconds(static_cast<std::int64_t>(std::ceil(seconds)));
  // A budget that is met as configured needs no rounding.
  const bool within = std::chrono::duration<double>(configured_).count() >= seconds;
  const auto needed = within ? configured_ : std::chrono::nanoseconds(whole);
  const bool shrinks_enough =
      seconds <= kShrinkBelow * std::chrono::duration<double>(in_force_).count();
  if (needed > in_force_ || shrinks_enough) in_force_ = needed;
  return in_force_;
}

}  // namespace closewatch
