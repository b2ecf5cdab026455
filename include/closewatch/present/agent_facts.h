#pragma once

#include <chrono>
#include <string>

#include "closewatch/node/process_stats.h"

namespace closewatch {

/// What the agent tells of itself beside the snapshot.
struct AgentFacts {
  std::string version;
  std::string compiler;
  std::chrono::system_clock::time_point started_at;
  ProcessStats process;
};

}  // namespace closewatch
