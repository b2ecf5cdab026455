#pragma once

#include <cstddef>
#include <vector>

#include "closewatch/kernel/socket_source.h"

namespace closewatch::testing {

/// Keeps every row, and counts how often reading began.
class CollectingSink final : public RowSink {
 public:
  void restart() override {
    rows.clear();
    ++restarts;
  }
  void row(const SocketRow& row) override { rows.push_back(row); }

  std::vector<SocketRow> rows;
  std::size_t restarts = 0;
};

}  // namespace closewatch::testing
