// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/namespace_record.h"

#include "closewatch/diagnosis/close_wait_socket.h"

namespace closewatch {
namespace {

/// The same for the same addresses, whoever tells them.
std::uint64_t hash_of(const SocketRow& row) {
  constexpr std::uint64_t kPrime = 0x9E37'79B9'7F4A'7C15;
  std::uint64_t hash = 0;
  const auto mix = [&](std::uint64_t value) { hash = (hash ^ value) * kPrime; };
  for (const auto& end : {row.local, row.remote}) {
    for (const auto byte : end.address.bytes) mix(byte);
    mix(end.port);
  }
  return hash >> 32U;
}

}  // namespace

void NamespaceRecord::restart() {
  counts_ = {};
  sockets_.clear();
  rows_.clear();
  knows_all_ = true;
  part_ = 0;
}

void NamespaceRecord::row(const SocketRow& row) {
  counts_.add(row.state);
  if (knows_all_) sockets_.push_back({row.cookie, row.state});
  if (sockets_.size() > most_) {
    sockets_.clear();
    knows_all_ = false;
  }
  if (row.state != TcpState::kCloseWait && row.state != TcpState::kListen) return;
  auto kept = row;
  const auto ends = close_wait_socket(row);
  kept.local = ends.local;
  kept.remote = ends.remote;
  if (!keeps(kept)) return;
  rows_.push_back(kept);
  while (rows_.size() > most_ && part_ != ~std::uint64_t{0} >> 32U) keep_fewer();
}

bool NamespaceRecord::keeps(const SocketRow& row) const { return (hash_of(row) & part_) == 0; }

/// Half of them.
void NamespaceRecord::keep_fewer() {
  part_ = part_ << 1U | 1U;
  std::erase_if(rows_, [&](const SocketRow& row) { return !keeps(row); });
}

}  // namespace closewatch
