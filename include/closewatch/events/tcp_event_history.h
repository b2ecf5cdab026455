// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>

#include "closewatch/diagnosis/close_wait_history.h"
#include "closewatch/events/tcp_event.h"

namespace closewatch {

/// What the kernel had counted in one network namespace.
struct NamespaceEvents {
  NamespaceIdentity space;
  TcpEventCounts counts;
};

/// What has happened in all namespaces that a pod has had, as far as this agent has seen them: a
/// sum that never falls while the pod lives. What a namespace had counted when it was read last
/// stays in it after the namespace has gone. Where one of the same identity has counted less than
/// before, it is another, and both are in the sum.
class TcpEventHistory {
 public:
  /// So many that are not there are known one by one. Beyond, one that comes back counts twice.
  static constexpr std::size_t kMostKnown = 1024;

  /// Takes a reading of all the pod's namespaces.
  void observe(std::span<const NamespaceEvents> spaces);
  /// A reading has failed: nothing is told until the next.
  void fail();

  /// Whether it is to be read before it is due: it is new, or a process has ended in mid-read.
  [[nodiscard]] bool is_wanted() const { return wanted_; }
  void want() { wanted_ = true; }
  /// nullopt when nothing is known.
  [[nodiscard]] const std::optional<TcpEventCounts>& last() const { return last_; }

 private:
  struct Known {
    TcpEventCounts counts;
    bool is_there = false;
  };

  void forget_some();

  std::map<NamespaceIdentity, Known> known_;
  std::optional<TcpEventCounts> past_;  ///< of those that are known no more
  std::optional<TcpEventCounts> last_;
  bool wanted_ = true;
};

}  // namespace closewatch
