// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace closewatch {

/// Where the time comes from; a test hands in its own. Thread-safe.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  /// For durations: never jumps (CLOCK_MONOTONIC).
  [[nodiscard]] virtual std::chrono::steady_clock::time_point steady_now() const = 0;
  /// For people: may jump when the machine's clock is set.
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall_now() const = 0;
  /// CPU time that the calling thread has used, user and kernel (CLOCK_THREAD_CPUTIME_ID).
  [[nodiscard]] virtual std::chrono::nanoseconds thread_cpu() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override;
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override;
  [[nodiscard]] std::chrono::nanoseconds thread_cpu() const override;
};

}  // namespace closewatch
