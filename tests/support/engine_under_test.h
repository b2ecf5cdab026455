// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>

namespace closewatch::testing {

/// The engine that CLOSEWATCH_ENGINE names, for all tests run with each.
inline std::string engine_under_test() {
  const char* const engine = std::getenv("CLOSEWATCH_ENGINE");
  return engine == nullptr ? "inet_diag" : engine;
}

/// Whether that engine tells only what the text of /proc/PID/net/tcp does: no container, no age, no
/// limit.
inline bool engine_is_text() { return engine_under_test() == "procfs"; }

}  // namespace closewatch::testing
