// SPDX-License-Identifier: Apache-2.0
#include "base/run_program.h"

#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "closewatch/base/exit_status.h"

namespace closewatch {

int run_program(const std::function<int()>& program) {
  try {
    return program();
  } catch (const std::exception& error) {
    fmt::print(stderr, "closewatch: {}\n", error.what());
    return kExitFailure;
  }
}

}  // namespace closewatch
