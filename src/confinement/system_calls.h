// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closewatch/base/result.h"

namespace closewatch {

/// Leaves the process those system calls that a server makes which reads files, and, if it `asks`,
/// opens connections; each other fails with EPERM. Needs no_new_privs. Errors: kUnsupported where
/// the kernel has no seccomp, kSystem.
Result<void> confine_system_calls(bool asks);

}  // namespace closewatch
