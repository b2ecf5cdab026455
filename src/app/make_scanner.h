// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/engine_choice.h"
#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/kernel/engine.h"
#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/scan/scanner.h"
#include "closewatch/settings/config.h"

namespace closewatch {

enum class Scans : std::uint8_t { kOne, kMany };

struct MadeScanner {
  std::unique_ptr<Scanner> scanner;
  Engine engine = Engine::kInetDiag;  ///< that reads the sockets
  std::vector<std::string> remarks;   ///< for the log: why it is not the one that was asked for
  std::vector<std::string> notes;     ///< for the log: what else is not to be had
  std::vector<std::string> details;   ///< for the debug log: all that was said of it, in many lines
};

/// The real parts put together: pods of this machine, sockets out of its kernel. `clock` and
/// `directory` must outlive the scanner, which belongs to the thread that scans. Without a
/// directory the names come from the kubelet's log directories alone. `make_source` makes each
/// source but the first. For a single scan `auto` takes what costs least for that.
Result<MadeScanner> make_scanner(const Config& config, const Clock& clock,
                                 const PodDirectory* directory = nullptr,
                                 Scans scans = Scans::kMany,
                                 const SourceMaker& make_source = make_another);

}  // namespace closewatch
