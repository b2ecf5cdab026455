// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
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
/// It cannot be had.
inline constexpr std::string_view kEngineDenied = "denied";
inline constexpr std::string_view kEngineUnsupported = "unsupported";
inline constexpr std::string_view kEngineFailed = "failed";
/// All reasons, and that of the one in use.
inline constexpr std::array<std::string_view, 8> kEngineReasons = {"",
                                                                   kEngineNotTried,
                                                                   kEngineNotNeeded,
                                                                   kEngineDear,
                                                                   kEngineDisagrees,
                                                                   kEngineDenied,
                                                                   kEngineUnsupported,
                                                                   kEngineFailed};
/// Why it cannot be had.
std::string_view reason_of(const Error& error);

/// How many namespaces of a pod an engine reads: for bpf one walk is for all of them, for the
/// others each costs a walk of its own.
std::size_t namespaces_of_pod(Engine engine);

}  // namespace closewatch
