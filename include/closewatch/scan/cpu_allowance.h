// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace closewatch {

/// CPU time for what others decide on: a share of a core, of which five minutes' can be saved up. A
/// value.
class CpuAllowance {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `share`: CPU seconds per second. All of five minutes is there at the start.
  CpuAllowance(double share, Time now) : share_(share), left_(share * kSaved), since_(now) {}

  [[nodiscard]] bool has_some(Time now) const { return left_at(now).count() > 0; }
  /// What was dearer than what was left is paid back before there is some again.
  void use(Time now, std::chrono::nanoseconds cpu) {
    left_ = left_at(now) - cpu;
    since_ = now;
  }

 private:
  using Seconds = std::chrono::duration<double>;
  static constexpr Seconds kSaved = std::chrono::minutes(5);

  [[nodiscard]] Seconds left_at(Time now) const {
    return std::min<Seconds>(share_ * kSaved, left_ + share_ * Seconds(now - since_));
  }

  double share_;
  Seconds left_;
  Time since_;
};

}  // namespace closewatch
