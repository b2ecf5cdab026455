// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "closewatch/kernel/socket_row.h"
#include "kernel/walk_layout.h"

namespace closewatch {

using KernelAddress = std::uint64_t;  ///< of an object of the kernel's

/// The rows of one namespace.
struct SpaceRows {
  std::vector<SocketRow> listeners;
  std::vector<SocketRow> close_wait;

  [[nodiscard]] std::size_t size() const { return listeners.size() + close_wait.size(); }
};

/// What the agent has room for. Who goes beyond is `incomplete`, and nobody else.
struct WalkBounds {
  /// Sockets in CLOSE_WAIT and LISTEN of all namespaces, some 100 bytes each. Beyond it the
  /// namespaces that have the most lose theirs.
  std::size_t rows = std::size_t{1} << 20U;
  /// Sockets of one chain, 8 bytes each: all are looked at again, whether one came twice. Of a
  /// longer one it is only found out whose sockets are in it.
  std::size_t chain = std::size_t{1} << 20U;
};

/// What the program in the kernel has told in one scan: rows, and the sockets that it has not
/// counted itself. Knows nothing of the kernel: records in, findings by namespace out. Memory:
/// O(rows + namespaces and cgroups without a group + sockets of the longest chain), and that of the
/// last scan's rows, for the next ones. Not thread-safe.
class WalkFindings {
 public:
  /// Sockets of a namespace, or of one cgroup of the namespace that is split.
  struct Counted {
    std::uint64_t cookie = 0;  ///< the namespace's
    std::array<std::uint64_t, WALK_STATES> sockets{};
  };
  /// By namespace and cgroup, which is 0 unless the namespace is split.
  using Counts = std::map<std::pair<KernelAddress, std::uint64_t>, Counted>;

  explicit WalkFindings(const WalkBounds& bounds) : bounds_(bounds) {}

  /// Forgets all. `split` is counted by cgroup; 0: none is.
  void begin_scan(KernelAddress split);
  /// What one run has told. Between begin_chain() and accept_chain() it is of that chain.
  void take(std::span<const walk_record> records, const walk_answer& run);

  /// A chain is read from its beginning: what was told of it so far is void, but for whose sockets
  /// are in it.
  void begin_chain();
  /// The chain was followed to its own end. Its sockets count from now on; false, and they do not,
  /// when one was told twice or there were too many. O(n log n).
  bool accept_chain();
  [[nodiscard]] bool chain_is_too_long() const { return chain_.sockets.size() >= bounds_.chain; }
  /// No chain is read any more. Those whose sockets were seen in it are incomplete.
  void give_up_chain();

  /// Why the namespace's sockets are not known whole: a sentence; nullptr when they are.
  [[nodiscard]] const std::string* gap_of(KernelAddress space) const;
  /// Of the namespace, whole or not.
  [[nodiscard]] const SpaceRows& rows_of(KernelAddress space) const;
  /// What the program has counted in no group.
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  using Rows = std::unordered_map<KernelAddress, SpaceRows>;
  struct Chain {
    bool open = false;
    Rows rows;
    Counts counts;
    std::vector<KernelAddress> sockets;  ///< at most as many as there is room for
    std::set<KernelAddress> spaces;      ///< of each attempt
  };

  void take_into_chain(const walk_record& record);
  void count(Counts& counts, const walk_record& record) const;
  void add_row(Rows& rows, const walk_record& record, TcpState state, const walk_answer& run);
  void make_room();

  WalkBounds bounds_;
  KernelAddress split_ = 0;
  Rows rows_;
  std::size_t rows_held_ = 0;  ///< those of the chain as well
  Counts counts_;
  Chain chain_;
  std::map<KernelAddress, std::string> gaps_;
  std::optional<unsigned> ticks_;  ///< per second, once they are known
};

/// Ticks of jiffies in a second, from jiffies64 (which begins five minutes before it would wrap at
/// 32 bits, INITIAL_JIFFIES in include/linux/jiffies.h) and CLOCK_MONOTONIC at the same moment.
/// nullopt when none of the kernel's choices (kernel/Kconfig.hz) fits, or more than one does, as
/// five minutes after the boot. Pure.
std::optional<unsigned> ticks_per_second(std::uint64_t jiffies, std::uint64_t monotonic_ns);

}  // namespace closewatch
