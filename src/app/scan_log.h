// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "app/logging.h"
#include "closewatch/scan/scan_loop.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/settings/config.h"

namespace closewatch {

struct LogLine {
  LogLevel level;
  std::string text;
};

/// What is worth a line in the log after `current`, given `previous` (null at first): only what has
/// changed, so that a lasting trouble is told once and its end is told too. Pure.
std::vector<LogLine> changes(const Snapshot* previous, const Snapshot& current);

/// Writes them into `logger`, and what made a scan fail.
ScanListener log_scans(const Logger& logger);

}  // namespace closewatch
