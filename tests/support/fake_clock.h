// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closewatch/base/clock.h"

namespace closewatch::testing {

/// Time that passes only when a test says so.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override { return steady; }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override { return wall; }
  [[nodiscard]] std::chrono::nanoseconds thread_cpu() const override { return cpu; }

  std::chrono::steady_clock::time_point steady{std::chrono::hours(1)};
  std::chrono::system_clock::time_point wall{std::chrono::seconds(1'700'000'000)};
  std::chrono::nanoseconds cpu{};
};

}  // namespace closewatch::testing
