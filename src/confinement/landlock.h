// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closewatch/base/result.h"
#include "closewatch/confinement/confinement.h"

namespace closewatch {

/// Confines the calling thread to reading what is readable; where the kernel can, to connections to
/// that port, too, and to signals and abstract sockets of its own. Needs no_new_privs. Errors:
/// kUnsupported where the kernel has no Landlock (before 5.13, or not switched on), kDenied,
/// kSystem.
Result<void> confine_files(const Confines& confines);

}  // namespace closewatch
