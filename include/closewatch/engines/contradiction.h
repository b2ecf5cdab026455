// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "closewatch/engines/namespace_record.h"

namespace closewatch {

/// Three readings of one namespace, one after the other: by inet_diag, by the engine that is
/// checked, and by inet_diag again.
struct CrossCheck {
  NamespaceRecord before;
  NamespaceRecord checked;
  NamespaceRecord after;
  /// TCP of the namespace has neither sent nor received anything from the first to the last.
  bool silent = false;
  /// It has had to do with MPTCP, whose connections and subflows the two do not always count alike
  /// (docs/metrics.md).
  bool mptcp = false;
};

/// What the engine that is checked has told that cannot be true, with what inet_diag says beside
/// it: a sentence; nullopt when all may be true. However busy the namespace is: a socket that
/// inet_diag has found in the same state before and after was in it all the time, as no state but
/// LISTEN and CLOSE is ever come back to. So
/// - each state has at least as many sockets as those,
/// - each of those in CLOSE_WAIT and LISTEN is there by its addresses, with the same cgroup, inode,
///   queue and limit, as far as these were the same before and after;
/// - and where inet_diag has found the same sockets in the same states twice and no segment has
///   come or gone, no other can have been there in between: each state but LISTEN has just as many.
/// With MPTCP only listeners are compared. Where only a part of the rows is kept, that part is
/// compared; counts are where all are known. O(n log n) for the n sockets that are kept.
std::optional<std::string> find_contradiction(const CrossCheck& check);

}  // namespace closewatch
