#pragma once

#include <cstdint>
#include <memory>

#include "closewatch/app/config.h"
#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/scanner.h"

/// What the agent does, one function for each subcommand. Each returns the process's exit status.
namespace closewatch {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

enum class OutputFormat : std::uint8_t { kTable, kJson };

/// The real parts put together: pods of this machine, sockets out of its kernel.
Result<std::unique_ptr<Scanner>> make_scanner(const Config& config, const Clock& clock);

/// Scans and serves until SIGTERM or SIGINT.
int serve(const Config& config);

/// Scans once and prints what `filter` asks for.
int scan(const Config& config, const PodFilter& filter, OutputFormat format);

}  // namespace closewatch
