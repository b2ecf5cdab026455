// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace closewatch::bench {

/// How often this process has called operator new, which this program replaces to count.
std::uint64_t allocations();

}  // namespace closewatch::bench
