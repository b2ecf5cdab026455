// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "closewatch/kernel/socket_source.h"
#include "kernel/walk_findings.h"
#include "kernel/walk_layout.h"

namespace closewatch {

/// Remembers which ports listened, and has the program in the kernel look whether those that have
/// ceased to have sockets left. 24 bytes for each; a namespace has at most 65,536.
///
/// The program has room for WALK_PORTS, half of which is shared out evenly among the namespaces, so
/// that who closes thousands at once takes no place of another's. A port beyond that share is
/// remembered until a later scan has looked. Not thread-safe.
class PortWatch {
 public:
  /// `places` is the program's memory.
  explicit PortWatch(std::span<walk_port> places) : places_(places) {}

  void begin_scan();
  /// To be called when the listeners are known, before the other sockets are walked. Whether there
  /// is any port to look for. O(listeners + known ports), sorted.
  bool watch(const WalkFindings& found);
  /// After the walk: tells `sink` which ports of the namespace still have sockets, and remembers
  /// those and the ones that listen.
  void hand_over(const walk_namespace& space, const SpaceRows& rows, RowSink& sink);
  /// The namespace could not be read: what is known of its ports stays so.
  void keep(const walk_namespace& space);

 private:
  /// A namespace and a local port.
  using Place = std::pair<KernelAddress, std::uint16_t>;
  /// A port that listens, or did and has sockets left.
  struct Known {
    Place place;
    std::uint64_t cookie = 0;  ///< the namespace's, which its address alone does not tell for ever
    auto operator<=>(const Known&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  [[nodiscard]] std::span<const Known> known_of(KernelAddress space) const;
  [[nodiscard]] std::vector<std::span<const Known>> known_by_space() const;
  [[nodiscard]] walk_port* find(const Place& place) const;
  void watch_share_of(std::span<const Place> ceased, std::size_t share);

  std::span<walk_port> places_;
  bool watching_ = false;     ///< whether any place is taken
  std::size_t scans_ = 0;     ///< for each to have its turn
  std::vector<Known> known_;  ///< of the last scan, by place, each once
  std::vector<Known> next_;   ///< of this one
};

}  // namespace closewatch
