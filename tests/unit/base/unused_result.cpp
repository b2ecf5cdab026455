// SPDX-License-Identifier: Apache-2.0
// Compiled by a test: whoever ignores an error is told so (tests/CMakeLists.txt).

#include "closewatch/base/result.h"

namespace {

closewatch::Result<void> attempt() { return closewatch::fail(closewatch::ErrorKind::kSystem, ""); }

[[maybe_unused]] bool try_it() {
#ifdef RESULT_IS_used
  return attempt().has_value();
#else
  attempt();
  return true;
#endif
}

}  // namespace
