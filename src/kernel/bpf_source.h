#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "closewatch/kernel/socket_source.h"
#include "kernel/walk_program.h"

namespace closewatch {

/// Reads the sockets of all namespaces in one walk through the kernel's table: O(hash buckets + all
/// sockets of the machine) for a whole scan, however many namespaces there are. Sockets in
/// CLOSE_WAIT and LISTEN have rows, all others are counted.
///
/// A namespace may have a table of its own (net.ipv4.tcp_child_ehash_entries), which is walked when
/// it is read. Errors of read(): kInterrupted when the kernel's tables changed too fast or hold
/// more than there is room for, kSystem.
///
/// A row's cookie is made of the socket's address and what is fixed while it is in CLOSE_WAIT, as
/// the kernel's own exists only for sockets that somebody has asked it of.
class BpfSource final : public SocketSource {
 public:
  explicit BpfSource(std::unique_ptr<WalkProgram> program);

  /// Whether the kernel keeps its namespaces as the program expects: it must find the calling
  /// thread's own.
  Result<void> check();

  /// The walk takes no lock that a process could hold.
  [[nodiscard]] bool may_hang() const override { return false; }
  void begin_scan(std::optional<int> split) override;
  Result<SocketReading> read(int network_namespace, const SocketQuery& query,
                             RowSink& sink) override;

 private:
  using Address = std::uint64_t;  ///< of an object of the kernel's
  /// A hash table as this scan has found it.
  struct Table {
    Result<void> state;
  };
  struct OwnedRow {
    Address space = 0;
    SocketRow row;
  };
  /// A namespace and a local port: what rows are sorted by.
  using Place = std::pair<Address, std::uint16_t>;
  static Place place_of(const OwnedRow& owned) { return {owned.space, owned.row.local.port}; }
  /// A port that listens, or did and has sockets left.
  struct KnownPort {
    Place place;
    std::uint64_t cookie = 0;  ///< the namespace's, which its address alone does not tell for ever
    auto operator<=>(const KnownPort&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  Result<walk_namespace> identify(int network_namespace);
  const Table& listeners(const walk_namespace& space);
  const Table& connections(const walk_namespace& space);
  Table walk(Address table, std::uint64_t mask, bool listening);
  void take_records();
  void sort_rows();
  [[nodiscard]] std::span<const OwnedRow> rows_of(Address space);
  [[nodiscard]] static bool listens(std::span<const OwnedRow> rows, const Place& place);
  void watch_ports();
  [[nodiscard]] walk_port* watched_port(Address space, std::uint16_t port) const;
  [[nodiscard]] Result<std::span<const walk_group* const>> groups_of(const walk_namespace& space);
  static void hand_over_counts(std::span<const walk_group* const> groups, const SocketQuery& query,
                               RowSink& sink);
  static void hand_over_rows(std::span<const OwnedRow> rows, const SocketQuery& query,
                             RowSink& sink);
  void hand_over_ports(const walk_namespace& space, std::span<const OwnedRow> rows, RowSink& sink);

  std::unique_ptr<WalkProgram> program_;
  WalkMemory memory_;
  std::map<Address, Table> tables_;  ///< of this scan, by the address of the first bucket
  std::vector<OwnedRow> rows_;       ///< likewise
  bool rows_sorted_ = true;
  std::vector<KnownPort> known_ports_;             ///< of the last scan, by place, each once
  std::vector<KnownPort> next_ports_;              ///< of this one
  std::vector<const walk_group*> groups_found_{};  ///< of the namespace that is being read
  Address split_ = 0;
  std::optional<unsigned> ticks_;  ///< per second, once they are known
  bool groups_full_ = false;
};

/// Ticks of jiffies in a second, from jiffies64 (which begins five minutes before it would wrap at
/// 32 bits, INITIAL_JIFFIES in include/linux/jiffies.h) and CLOCK_MONOTONIC at the same moment.
/// nullopt when none of the
/// kernel's choices (kernel/Kconfig.hz) fits, or more than one does, as five minutes after the
/// boot. Pure.
std::optional<unsigned> ticks_per_second(std::uint64_t jiffies, std::uint64_t monotonic_ns);

}  // namespace closewatch
