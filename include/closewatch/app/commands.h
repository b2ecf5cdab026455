#pragma once

#include <cstdint>

#include "closewatch/app/config.h"
#include "closewatch/scan/pod_filter.h"

/// What the agent does, one function for each subcommand. Each returns the process's exit status.
namespace closewatch {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

enum class OutputFormat : std::uint8_t { kTable, kJson };

/// Scans and serves until SIGTERM or SIGINT.
int serve(const Config& config);

/// Scans once and prints what `filter` asks for.
int scan(const Config& config, const PodFilter& filter, OutputFormat format);

}  // namespace closewatch
