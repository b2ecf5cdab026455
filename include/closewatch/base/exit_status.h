#pragma once

namespace closewatch {

/// How a program ended.
inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

}  // namespace closewatch
