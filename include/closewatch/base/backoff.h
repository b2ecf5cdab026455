// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace closewatch {

/// How long to wait before the next try: doubled with each failure up to a bound, and jittered, so
/// that a thousand agents do not come back at the same moment. Not thread-safe.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most, std::uint32_t seed)
      : first_(first), most_(most), next_(first), random_(seed) {}

  /// Between half of this failure's bound and the whole of it.
  std::chrono::milliseconds after_failure();
  void after_success() { next_ = first_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds most_;
  std::chrono::milliseconds next_;
  std::mt19937 random_;
};

}  // namespace closewatch
