// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/build_info.h"

namespace closewatch {

const char* build_version() { return CLOSEWATCH_VERSION; }

const char* build_compiler() { return CLOSEWATCH_COMPILER; }

}  // namespace closewatch
