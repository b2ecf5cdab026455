// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace closewatch {

/// Runs what is the program of a process of its own, and returns its exit status. An exception is a
/// failure, and a line on standard error.
int run_program(const std::function<int()>& program);

}  // namespace closewatch
