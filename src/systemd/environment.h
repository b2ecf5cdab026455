// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace closewatch {

/// A variable of the environment; empty when there is none.
std::string_view variable(const char* name);

/// Whether a process by whose number the manager says for whom a word is, is this one or its
/// parent: this program is two processes. `pid_variable` may be missing, where `unless_said` holds.
bool is_for_this_program(const char* pid_variable, bool unless_said);

}  // namespace closewatch
