// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <string>

#include "closewatch/base/result.h"

namespace closewatch {

/// How a child process ended.
struct ChildEnd {
  int status = 0;    ///< what it returned, where no signal ended it
  int signal = 0;    ///< that ended it; 0: none
  std::string left;  ///< a sentence for the log when it could not be waited for; else empty
};

struct ChildCare {
  int when_parent_dies = SIGKILL;  ///< the signal that the child gets then
  /// How long the child may take to end after a signal that asks for it; then it gets SIGKILL.
  std::chrono::nanoseconds patience = std::chrono::seconds(8);
};

/// Runs `program` in a child process, which ends with what it returns, and waits for that. This
/// process gives up its capabilities, passes SIGTERM, SIGINT and SIGHUP on, and reaps what else is
/// its child. It must have one thread.
///
/// A thread that waits uninterruptibly in the kernel keeps its process from ever ending, and the
/// descriptors of that open. So a child that has threads left when `program` returns closes its
/// descriptors and tells what that was. If it does not end then it is left behind; the kernel ends
/// it when that wait ends.
///
/// SIGTERM, SIGINT and SIGHUP stay blocked afterwards, as this process is to end as well: another
/// one must not change how. Errors: kSystem.
Result<ChildEnd> run_in_child(const std::function<int()>& program, const ChildCare& care = {});

}  // namespace closewatch
