// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "closewatch/base/result.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/node/network_namespace.h"
#include "closewatch/pods/namespace_opener.h"

namespace closewatch {

/// Reads what the kernel has counted in a network namespace since that was made: out of
/// /proc/PID/net of a process that stands in it, which takes no privilege beyond what it takes to
/// know that (get_proc_task_net() in fs/proc/proc_net.c asks for none), or from inside where a file
/// is all that there is of it. Each file costs as much as the machine may have CPUs
/// (snmp_fold_field()). Thread-safe.
class TcpEventReader {
 public:
  TcpEventReader(NamespaceOpener opener, const TcpEventSet& wanted)
      : opener_(std::move(opener)), wanted_(wanted) {}

  /// Of the namespace that was seen there a moment ago. Takes the calling thread into one that has
  /// only a file, and home again. Errors: kGone when it is there no more, kDenied for one with only
  /// a file without CAP_SYS_ADMIN, kMalformed.
  [[nodiscard]] Result<TcpEventCounts> read(const LocatedNamespace& space) const;

 private:
  [[nodiscard]] Result<TcpEventCounts> read_from(int directory) const;
  [[nodiscard]] Result<TcpEventCounts> read_by_process(const LocatedNamespace& space) const;
  [[nodiscard]] Result<TcpEventCounts> read_inside(const LocatedNamespace& space) const;

  NamespaceOpener opener_;
  TcpEventSet wanted_;
};

}  // namespace closewatch
