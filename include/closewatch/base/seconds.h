// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace closewatch {

/// A duration as Prometheus, JSON and people have it. Thread-safe.
[[nodiscard]] inline double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace closewatch
