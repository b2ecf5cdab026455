#pragma once

#include <span>
#include <string>
#include <vector>

namespace closewatch {

/// Reads the command line and runs the subcommand that it names. Returns the exit status: 0, 1 when
/// it failed, 2 when it was called wrongly.
int run_command_line(std::span<const char* const> arguments);

/// What may be written on a command line, for manual pages and completion.
struct CommandFlag {
  std::string name;    ///< without dashes
  std::string letter;  ///< a single one with the same meaning, or nothing
  std::string value;   ///< what stands for its value, "FILE"; nothing where it takes none
  std::string help;
  std::vector<std::string> values;  ///< all that it takes, where they are few
};
struct Command {
  std::string name;
  std::string help;
  std::string argument;  ///< what stands for it, "PATH", or nothing
  std::string argument_help;
  std::vector<CommandFlag> flags;  ///< without those of the option table, which every command takes
};
std::vector<Command> commands();

}  // namespace closewatch
