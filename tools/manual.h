// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

/// What is told of the program's commands and settings outside of it, each as the whole of a file.
/// All come from the tables by which the program reads its command line and configuration, so they
/// cannot tell anything else.
namespace closewatch {

/// closewatch(1), in man(7)'s macros.
std::string manual_page();

/// docs/configuration.md's table.
std::string settings_table();

/// closewatch.yaml(5).
std::string settings_page();

/// A configuration with every setting at its default, commented out.
std::string settings_file();

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace closewatch
