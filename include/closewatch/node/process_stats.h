#pragma once

#include <chrono>
#include <cstdint>

namespace closewatch {

/// The agent's own consumption, what every exporter calls process_*.
struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_bytes = 0;
};

/// Of this process, now. What cannot be read stays 0. Thread-safe.
ProcessStats read_process_stats();

}  // namespace closewatch
