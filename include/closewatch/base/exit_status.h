// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace closewatch {

/// How a program ended.
inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
/// What is shown is right, but not whole.
inline constexpr int kExitNotWhole = 3;

}  // namespace closewatch
