// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace closewatch::testing {

/// Leaves the calling thread these capabilities, a bit for each, and no other. Throws when it
/// cannot.
void keep_capabilities(std::uint64_t capabilities);

}  // namespace closewatch::testing
