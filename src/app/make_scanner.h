#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/kernel/engine.h"
#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/scan/scanner.h"

namespace closewatch {

struct MadeScanner {
  std::unique_ptr<Scanner> scanner;
  Engine engine = Engine::kInetDiag;  ///< that reads the sockets
  std::vector<std::string> remarks;   ///< for the log: why it is not the one that was asked for
  std::vector<std::string> notes;     ///< for the log: what else is not to be had
  std::vector<std::string> details;   ///< for the debug log: all that was said of it, in many lines
};

/// The real parts put together: pods of this machine, sockets out of its kernel. `clock` and
/// `directory` must outlive the scanner, which belongs to the thread that scans. Without a
/// directory the names come from the kubelet's log directories alone.
Result<MadeScanner> make_scanner(const Config& config, const Clock& clock,
                                 const PodDirectory* directory = nullptr);

}  // namespace closewatch
