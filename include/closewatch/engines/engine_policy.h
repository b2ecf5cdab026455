// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

#include "closewatch/kernel/engine.h"

namespace closewatch {

/// Which engine is to read the sockets where it may be either: inet_diag, whose answers are the
/// kernel's own, while that is cheap, bpf when it is not. A value.
class EnginePolicy {
 public:
  /// `interval` and `budget` as the Pacer's, the interval as configured.
  EnginePolicy(std::chrono::nanoseconds interval, double budget);

  /// Which reads from now on, after a scan at `now` that `used` has read for so much CPU time.
  /// `by_inet_diag`: what inet_diag would have taken for it, where that is known.
  Engine after(Engine used, std::chrono::nanoseconds cpu,
               std::optional<std::chrono::nanoseconds> by_inet_diag,
               std::chrono::steady_clock::time_point now);
  /// bpf cannot be had.
  void refuse_bpf() { bpf_ = false; }

  /// Beyond this a scan by inet_diag is dear: a tenth of what the budget allows.
  [[nodiscard]] std::chrono::nanoseconds dear() const { return dear_; }

 private:
  /// Of so many scans the middle one counts, as one may be dear by accident.
  static constexpr std::size_t kScans = 3;

  [[nodiscard]] bool is_dear(std::chrono::nanoseconds cpu);
  [[nodiscard]] bool has_been_cheap(std::optional<std::chrono::nanoseconds> by_inet_diag,
                                    std::chrono::steady_clock::time_point now);

  std::chrono::nanoseconds dear_;
  bool bpf_ = true;
  std::array<std::chrono::nanoseconds, kScans> last_{};  ///< scans by inet_diag, in turn
  std::size_t scans_ = 0;
  std::optional<std::chrono::steady_clock::time_point> cheap_since_;
};

}  // namespace closewatch
