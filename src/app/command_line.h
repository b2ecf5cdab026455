// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 is called so
class App;
}

namespace closewatch {

/// Reads the command line and runs the subcommand that it names. Returns the exit status: 0, 1 when
/// it failed, 2 when it was called wrongly.
int run_command_line(std::span<const char* const> arguments);

/// Shows the command line as it is read, for manual pages and completion.
void show_command_line(const std::function<void(const CLI::App&)>& to);

}  // namespace closewatch
