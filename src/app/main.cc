// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>

#include "app/command_line.h"
#include "app/commands.h"

int main(int argc, char** argv) {
  try {
    return closewatch::run_command_line({argv, static_cast<std::size_t>(argc)});
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "closewatch: %s\n", error.what());
    return closewatch::kExitFailure;
  }
}
