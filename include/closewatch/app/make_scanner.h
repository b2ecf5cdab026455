#pragma once

#include <memory>

#include "closewatch/app/config.h"
#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/pods/pod_directory.h"
#include "closewatch/scan/scanner.h"

namespace closewatch {

/// The real parts put together: pods of this machine, sockets out of its kernel. `clock` and
/// `directory` must outlive the scanner, which belongs to the thread that scans. Without a
/// directory the names come from the kubelet's log folders alone.
Result<std::unique_ptr<Scanner>> make_scanner(const Config& config, const Clock& clock,
                                              const PodDirectory* directory = nullptr);

}  // namespace closewatch
