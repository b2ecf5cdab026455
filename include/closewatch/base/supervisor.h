// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

namespace closewatch {

/// Runs `program` in a child process, so that this one can end whatever the child hangs in
/// (run_in_child()). It ends as the child ended: with the exit status that this returns, or by the
/// same signal. What could not be waited for is told to `complain`, and a signal that nobody sends
/// to end it. There must be one thread yet.
int supervised(const std::function<int()>& program,
               const std::function<void(const std::string&)>& complain);

}  // namespace closewatch
