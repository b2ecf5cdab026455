#pragma once

#include <memory>

#include "closewatch/app/config.h"
#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/scan/scanner.h"

namespace closewatch {

/// The real parts put together: pods of this machine, sockets out of its kernel. `clock` must
/// outlive the scanner, which belongs to the thread that scans.
Result<std::unique_ptr<Scanner>> make_scanner(const Config& config, const Clock& clock);

}  // namespace closewatch
