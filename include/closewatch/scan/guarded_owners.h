// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "closewatch/base/hang_guard.h"
#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/cpu_allowance.h"

namespace closewatch {

/// SocketOwners::find() in the thread of a guard, as HangGuard::run(); the pod is blamed when it
/// does not return. Error: kHung.
Result<SocketOwnerList> find_owners(HangGuard& guard, const SocketOwners& owners, const Pod& pod,
                                    std::vector<std::uint32_t> inodes,
                                    const std::function<bool()>& waiting);

/// SocketOwners for those who answer people, and must not hang with a pod, nor cost more of the CPU
/// than they are allowed, if there is a limit. Belongs to one thread.
class GuardedOwners {
 public:
  explicit GuardedOwners(SocketOwners owners, std::optional<CpuAllowance> allowance = std::nullopt,
                         std::chrono::nanoseconds patience = std::chrono::seconds(2))
      : owners_(std::move(owners)), guard_(patience), allowance_(allowance) {}

  /// As SocketOwners::find(). Its error is kHung where that does not return, and kOverLimit where
  /// earlier ones have cost all that is allowed.
  SocketOwnerList find(const Pod& pod, std::vector<std::uint32_t> inodes);

 private:
  SocketOwners owners_;
  HangGuard guard_;
  std::optional<CpuAllowance> allowance_;
};

}  // namespace closewatch
