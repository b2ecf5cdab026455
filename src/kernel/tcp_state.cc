// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/tcp_state.h"

#include <algorithm>

namespace closewatch {
namespace {

constexpr std::array<std::string_view, kTcpStateCount> kNames = {
    "established", "syn_sent",   "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
    "close",       "close_wait", "last_ack", "listen",    "closing",
};

}  // namespace

std::string_view name_of(TcpState state) { return kNames.at(index_of(state)); }

std::optional<TcpState> tcp_state_named(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return kTcpStates.at(static_cast<std::size_t>(found - kNames.begin()));
}

}  // namespace closewatch
