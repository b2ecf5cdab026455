// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "closewatch/base/result.h"

namespace closewatch::web {

/// The text of a regular file of 1 MiB at most: what a person writes. To open a pipe would wait for
/// who writes to it, perhaps for ever.
Result<std::string> read_small_file(const std::string& path);

}  // namespace closewatch::web
