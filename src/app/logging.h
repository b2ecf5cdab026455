// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <spdlog/logger.h>

#include "closewatch/settings/config.h"

namespace closewatch {

/// spdlog's name for it.
spdlog::level::level_enum to_spdlog(LogLevel level);

using Logger = std::shared_ptr<spdlog::logger>;

/// A logger on standard error, one line a message; thread-safe. JSON lines are
/// {"time":…,"level":…,"message":…}.
Logger make_logger(LogLevel level, LogFormat format);

}  // namespace closewatch
