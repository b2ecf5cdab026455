// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <numeric>

#include "closewatch/kernel/tcp_state.h"

namespace closewatch {

/// How many sockets are in each state; every state is there, zeros included.
class StateCounts {
 public:
  [[nodiscard]] std::uint64_t of(TcpState state) const { return counts_.at(index_of(state)); }
  [[nodiscard]] std::uint64_t total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  }

  void add(TcpState state, std::uint64_t sockets = 1) { counts_.at(index_of(state)) += sockets; }
  void add(const StateCounts& other) {
    for (const auto state : kTcpStates) add(state, other.of(state));
  }

  bool operator==(const StateCounts&) const = default;

 private:
  std::array<std::uint64_t, kTcpStateCount> counts_{};
};

}  // namespace closewatch
