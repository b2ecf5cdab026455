// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace closewatch::web {

/// "1s", "1h30m", "0.5s", "-2ms", "0": as Go's time.ParseDuration() reads it. Pure.
std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

}  // namespace closewatch::web
