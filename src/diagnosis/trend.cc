// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/trend.h"

#include <algorithm>

namespace closewatch {
namespace {

/// The clock's epoch is the machine's start, so minutes are never negative.
std::int64_t minute_of(std::chrono::steady_clock::time_point time) {
  return std::chrono::floor<std::chrono::minutes>(time.time_since_epoch()).count();
}

}  // namespace

void Trend::record(std::chrono::steady_clock::time_point now, std::optional<std::uint64_t> sockets,
                   std::chrono::nanoseconds holds) {
  const auto minute = minute_of(now);
  const auto carried = now - recorded_at_ <= holds ? last_ : kUnseen;
  const auto first_new =
      std::max(minute_of(recorded_at_) + 1, minute - static_cast<std::int64_t>(kMinutes) + 1);
  for (auto between = first_new; between < minute; ++between) slot(between) = carried;
  if (first_new <= minute) slot(minute) = kUnseen;

  last_ = sockets ? static_cast<std::uint32_t>(std::min<std::uint64_t>(*sockets, kUnseen - 1))
                  : kUnseen;
  recorded_at_ = now;
  auto& current = slot(minute);
  if (last_ != kUnseen) current = current == kUnseen ? last_ : std::max(current, last_);
}

Trend Trend::of(const Points& points) {
  Trend trend;
  for (std::size_t i = 0; i < kMinutes; ++i) trend.slots_.at(i) = points.at(i).value_or(kUnseen);
  // So that minute 0 is the oldest.
  trend.recorded_at_ = std::chrono::steady_clock::time_point(std::chrono::minutes(kMinutes - 1));
  return trend;
}

Trend::Points Trend::points() const {
  Points points;
  const auto oldest = static_cast<std::size_t>(minute_of(recorded_at_)) + 1;
  for (std::size_t i = 0; i < kMinutes; ++i) {
    const auto sockets = slots_.at((oldest + i) % kMinutes);
    if (sockets != kUnseen) points.at(i) = sockets;
  }
  return points;
}

}  // namespace closewatch
