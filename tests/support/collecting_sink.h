// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "closewatch/kernel/socket_source.h"

namespace closewatch::testing {

/// Keeps everything, and counts how often reading began.
class CollectingSink final : public RowSink {
 public:
  void restart() override {
    rows.clear();
    counts.clear();
    ports.clear();
    ++restarts;
  }
  void row(const SocketRow& row) override { rows.push_back(row); }

  void counted(const SocketCount& count) override { counts.push_back(count); }
  void port_in_use(std::uint16_t port) override { ports.push_back(port); }

  std::vector<SocketRow> rows;
  std::vector<SocketCount> counts;
  std::vector<std::uint16_t> ports;
  std::size_t restarts = 0;
};

}  // namespace closewatch::testing
