// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/kernel/engine.h"

namespace closewatch {

/// An engine, and whether it is the one that reads the sockets.
struct EngineStatus {
  Engine engine = Engine::kInetDiag;
  /// "" for the one in use, else why it is not: the `reason` label.
  std::string_view reason;
};

/// Reasons. Nobody has asked for it.
inline constexpr std::string_view kEngineNotTried = "not_tried";
/// inet_diag is cheap enough.
inline constexpr std::string_view kEngineNotNeeded = "not_needed";
/// inet_diag would take more than a tenth of the budget.
inline constexpr std::string_view kEngineDear = "dear";
/// It has told, twice, what inet_diag shows not to be true.
inline constexpr std::string_view kEngineDisagrees = "disagrees";
/// Why it cannot be had: "denied", "unsupported" or "failed".
std::string_view reason_of(const Error& error);

/// How many namespaces of a pod an engine reads: for bpf one walk is for all of them, for the
/// others each costs a walk of its own.
std::size_t namespaces_of_pod(Engine engine);

}  // namespace closewatch
