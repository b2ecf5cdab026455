// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch {

/// Prints all of it on standard output, or complains on standard error and says false: a full disk
/// or a closed pipe must not look like an answer.
bool print(const std::string& text);

}  // namespace closewatch
