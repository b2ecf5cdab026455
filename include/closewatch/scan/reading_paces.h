// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "closewatch/scan/reading_pace.h"

namespace closewatch {

/// How often is read what need not be read in each scan.
struct ReadingPaces {
  ReadingPace descriptors;
  ReadingPace held;
  ReadingPace events;
};

/// `cpu_budget`: CPU seconds per second that scans may cost. `scan_interval`: the one asked for.
ReadingPaces reading_paces(double cpu_budget, std::chrono::nanoseconds scan_interval);

}  // namespace closewatch
