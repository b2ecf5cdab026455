// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "closewatch/kernel/socket_source.h"
#include "kernel/port_watch.h"
#include "kernel/walk_findings.h"
#include "kernel/walk_program.h"

namespace closewatch {

/// Reads the sockets of all namespaces in one walk through the kernel's table: O(hash buckets + all
/// sockets of the machine) for a whole scan, however many namespaces there are. Sockets in
/// CLOSE_WAIT and LISTEN have rows, all others are counted.
///
/// A namespace may have a table of its own (net.ipv4.tcp_child_ehash_entries), which is walked when
/// it is read. Errors of read(): kInterrupted when what holds the namespace's sockets changed too
/// fast or is more than there is room for (WalkBounds), which costs no other namespace; kSystem.
///
/// A row's cookie is made of the socket's address and what is fixed while it is in CLOSE_WAIT, as
/// the kernel's own exists only for sockets that somebody has asked it of.
class BpfSource final : public SocketSource {
 public:
  explicit BpfSource(std::unique_ptr<WalkProgram> program, const WalkBounds& bounds = {});

  /// Whether the kernel keeps its namespaces as the program expects: it must find the calling
  /// thread's own.
  Result<void> check();

  /// The walk takes no lock that a process could hold.
  [[nodiscard]] bool may_hang() const override { return false; }
  void begin_scan(std::optional<int> split) override;
  Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                             RowSink& sink) override;

 private:
  Result<walk_namespace> identify(int network_namespace);
  Result<void> walk_tables_of(const walk_namespace& space);
  const Result<void>& listeners(const walk_namespace& space);
  const Result<void>& connections(const walk_namespace& space);
  Result<void> walk(KernelAddress table, std::uint64_t mask, bool listening);
  void take_records();
  Result<void> read_chain(std::uint64_t bucket);
  Result<bool> follow_chain();
  void find_counts_of(const walk_namespace& space);
  [[nodiscard]] const walk_group* group_of(KernelAddress space) const;
  void hand_over_counts(const SocketQuery& query, RowSink& sink) const;
  static void hand_over_rows(std::span<const SocketRow> rows, const SocketQuery& query,
                             RowSink& sink);

  std::unique_ptr<WalkProgram> program_;
  WalkMemory memory_;
  /// Hash tables as this scan has found them, by the address of the first bucket.
  std::map<KernelAddress, Result<void>> tables_;
  WalkFindings findings_;
  PortWatch ports_;
  std::uint64_t longest_walk_;  ///< sockets of one chain, after which it is taken for a circle
  KernelAddress split_ = 0;
  /// By cgroup, of the namespace that is being read.
  std::vector<std::pair<std::uint64_t, WalkFindings::Counted>> counts_;
};

}  // namespace closewatch
