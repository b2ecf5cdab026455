// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "closewatch/diagnosis/state_counts.h"
#include "closewatch/kernel/socket_source.h"

namespace closewatch {

/// All that one reading has told of a network namespace, kept to be held against another. A source
/// that has rows for all sockets also tells which they are. Not thread-safe; its memory is bounded:
/// of a namespace with more sockets than `most` only a part is kept, the same part of each reading,
/// picked by the addresses.
class NamespaceRecord {
 public:
  /// Sockets in CLOSE_WAIT and LISTEN, 120 bytes each; and of all others, 16 bytes each.
  static constexpr std::size_t kMost = 8192;

  explicit NamespaceRecord(std::size_t most = kMost) : most_(most) {}

  void restart();
  void row(const SocketRow& row);
  void count(const SocketCount& count) { counts_.add(count.state, count.sockets); }

  /// A socket by the name that its source gives it, in its state.
  struct Known {
    std::uint64_t cookie = 0;
    TcpState state = TcpState::kClose;

    auto operator<=>(const Known&) const = default;  // NOLINT(modernize-use-nullptr): not here
  };

  [[nodiscard]] const StateCounts& counts() const { return counts_; }
  /// Those that have had a row, in no order; void when there were too many.
  [[nodiscard]] const std::vector<Known>& sockets() const { return sockets_; }
  [[nodiscard]] bool knows_all() const { return knows_all_; }
  /// In CLOSE_WAIT and LISTEN, in no order. Their addresses are as CloseWaitSocket has them.
  [[nodiscard]] const std::vector<SocketRow>& rows() const { return rows_; }
  /// Whether the rows of this socket are kept.
  [[nodiscard]] bool keeps(const SocketRow& row) const;

 private:
  void keep_fewer();

  std::size_t most_;
  StateCounts counts_;
  std::vector<Known> sockets_;
  bool knows_all_ = true;
  std::vector<SocketRow> rows_;
  std::uint64_t part_ = 0;  ///< rows are kept whose addresses have none of these bits
};

/// Keeps what a source tells, and hands it on.
class Recording final : public RowSink {
 public:
  explicit Recording(NamespaceRecord& record, RowSink* next = nullptr)
      : record_(record), next_(next) {}

  void restart() override {
    record_.restart();
    if (next_ != nullptr) next_->restart();
  }
  void row(const SocketRow& row) override {
    record_.row(row);
    if (next_ != nullptr) next_->row(row);
  }
  void counted(const SocketCount& count) override {
    record_.count(count);
    if (next_ != nullptr) next_->counted(count);
  }
  void port_in_use(std::uint16_t port) override {
    if (next_ != nullptr) next_->port_in_use(port);
  }

 private:
  NamespaceRecord& record_;
  RowSink* next_;
};

}  // namespace closewatch
