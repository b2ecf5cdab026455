// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include "bench/cpu.h"

namespace closewatch::bench {

/// Debian's prometheus-node-exporter with nothing but its collector tcpstat, which counts the
/// sockets of the host's namespace alone.
class NodeExporter {
 public:
  NodeExporter();
  NodeExporter(const NodeExporter&) = delete;
  NodeExporter& operator=(const NodeExporter&) = delete;
  NodeExporter(NodeExporter&&) = delete;
  NodeExporter& operator=(NodeExporter&&) = delete;
  ~NodeExporter();

  /// What a scrape costs it, the mean of some.
  [[nodiscard]] Cost cost() const;

 private:
  [[nodiscard]] Seconds cpu() const;

  pid_t pid_;
};

}  // namespace closewatch::bench
