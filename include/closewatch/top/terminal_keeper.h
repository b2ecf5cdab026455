// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace closewatch {

/// Runs `program` in a child process and gives the terminal back as it was, whatever becomes of the
/// child: an exit, an exception, SIGKILL. When this process is killed itself, the child gets
/// SIGTERM and has the terminal to tidy up. SIGTERM, SIGINT and SIGHUP go on to the child. Returns
/// the child's exit status; must be called before there is another thread.
int with_terminal_kept(const std::function<int()>& program);

}  // namespace closewatch
