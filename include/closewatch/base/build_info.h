#pragma once

namespace closewatch {

/// What this binary was built from, as CMake told.
const char* build_version();
const char* build_compiler();

}  // namespace closewatch
