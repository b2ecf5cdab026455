#pragma once

#include <span>

namespace closewatch {

/// Reads the command line and runs the subcommand that it names. Returns the exit status: 0, 1 when
/// it failed, 2 when it was called wrongly.
int run_command_line(std::span<const char* const> arguments);

}  // namespace closewatch
