// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace closewatch {

/// Raises this process's own limit of open descriptors as far as it may (RLIMIT_NOFILE, its soft
/// limit up to the hard one), so that descriptors can be kept from one scan to the next.
void raise_descriptor_limit();

/// How many descriptors a part of the scan may keep open: an eighth of the limit, so that what is
/// opened for a moment and what clients take always finds room; 16,384 at most. Thread-safe.
std::size_t descriptors_to_keep();

}  // namespace closewatch
