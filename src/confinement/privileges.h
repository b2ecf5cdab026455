// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closewatch/base/result.h"

namespace closewatch {

/// Drops the calling thread's capabilities, all sets, and keeps what it may execute from bringing
/// any back. Errors: kSystem, kDenied.
Result<void> drop_privileges();

}  // namespace closewatch
