// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {

/// Takes a thread into network namespaces and home again, where home is the one in which this was
/// made: setns(2) moves the calling thread and no other. Thread-safe.
class NamespaceEntry {
 public:
  static Result<NamespaceEntry> make();

  /// Does `work` in the network namespace behind the descriptor; when that is where the thread
  /// stands, without going anywhere. Errors: kDenied without CAP_SYS_ADMIN, and then `work` was not
  /// done; kSystem also when it was, and the thread could not go home: the next entry does not
  /// depend on where it stands, but staying keeps the namespace alive.
  Result<void> run(int network_namespace, const std::function<void()>& work) const;

 private:
  explicit NamespaceEntry(UniqueFd home) : home_(std::move(home)) {}

  UniqueFd home_;
};

}  // namespace closewatch
