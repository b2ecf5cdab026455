// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kernel/engine.h"

namespace closewatch {

/// The effective capabilities in the text of /proc/PID/status ("CapEff:"), a bit for each.
Result<std::uint64_t> parse_effective_capabilities(std::string_view status);

/// For each capability that the agent needs with this engine and `effective` lacks: a sentence that
/// names it, what is not seen without it, and the remedy.
std::vector<std::string> missing_capabilities(Engine engine, std::uint64_t effective);

/// The same for this process. What cannot be read is not complained of.
std::vector<std::string> missing_capabilities(Engine engine);

}  // namespace closewatch
