// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace closewatch {

/// What this binary was built from, as CMake told.
const char* build_version();
const char* build_compiler();

/// The commit, with "-modified" behind it when files differed from it, and when it was made (RFC
/// 3339); empty where nobody knew when it was built.
const char* build_revision();
const char* build_date();

}  // namespace closewatch
