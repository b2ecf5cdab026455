// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/settings/config.h"

namespace closewatch {

/// Sets what a YAML text says in `config`. Returns every mistake in it, each as
/// "FILE:LINE: KEY: what is wrong"; when there is one, `config` must not be used. `file` is for
/// these messages only.
std::vector<std::string> apply_config_text(std::string_view yaml, std::string_view file,
                                           Config& config);

/// The same with a file's content. A file that cannot be read is a mistake, too.
std::vector<std::string> apply_config_file(const std::string& file, Config& config);

}  // namespace closewatch
