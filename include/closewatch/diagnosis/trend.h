// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace closewatch {

/// How many sockets of a pod were in CLOSE_WAIT in each of the last 60 minutes: the most that any
/// scan of the minute saw, so that a short burst shows. A value of 256 bytes, whatever happens. A
/// count holds until the next scan, as it does everywhere, unless that comes too late.
class Trend {
 public:
  static constexpr std::size_t kMinutes = 60;
  using Points = std::array<std::optional<std::uint32_t>, kMinutes>;

  /// A scan at `now`, not before the last one, counted so many, or could not count (nullopt).
  /// `holds`: how long the last count may stand for the time since.
  void record(std::chrono::steady_clock::time_point now, std::optional<std::uint64_t> sockets,
              std::chrono::nanoseconds holds);

  /// One that has these points, and is not recorded any further.
  static Trend of(const Points& points);

  /// The oldest minute first, that of the last record last; nullopt where nobody counted.
  [[nodiscard]] Points points() const;

 private:
  static constexpr std::uint32_t kUnseen = 0xFFFF'FFFF;

  std::uint32_t& slot(std::int64_t minute) {
    return slots_.at(static_cast<std::size_t>(minute) % kMinutes);
  }

  std::array<std::uint32_t, kMinutes> slots_ = filled_with_unseen();
  std::uint32_t last_ = kUnseen;
  std::chrono::steady_clock::time_point recorded_at_{};

  static constexpr std::array<std::uint32_t, kMinutes> filled_with_unseen() {
    std::array<std::uint32_t, kMinutes> slots{};
    for (auto& slot : slots) slot = kUnseen;
    return slots;
  }
};

}  // namespace closewatch
