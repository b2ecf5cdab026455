// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/close_wait_socket.h"

#include <algorithm>

namespace closewatch {
namespace {

OwedCall owed_call_of(const SocketRow& row) {
  if (row.inode == 0) return OwedCall::kAccept;
  return row.receive_queue > 0 ? OwedCall::kRead : OwedCall::kClose;
}

}  // namespace

Endpoint unmapped(Endpoint endpoint) {
  constexpr std::array<std::uint8_t, 12> kPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  auto& [family, bytes] = endpoint.address;
  if (family != AddressFamily::kIpv6 ||
      !std::equal(kPrefix.begin(), kPrefix.end(), bytes.begin())) {
    return endpoint;
  }
  family = AddressFamily::kIpv4;
  std::copy(bytes.begin() + kPrefix.size(), bytes.end(), bytes.begin());
  std::fill(bytes.begin() + 4, bytes.end(), std::uint8_t{0});
  return endpoint;
}

std::string_view name_of(Direction direction) {
  return direction == Direction::kInbound ? "inbound" : "outbound";
}

std::string_view name_of(OwedCall owes) {
  constexpr std::array<std::string_view, kOwedCalls.size()> kNames = {"accept", "read", "close"};
  return kNames.at(static_cast<std::size_t>(owes));
}

CloseWaitSocket close_wait_socket(const SocketRow& row) {
  CloseWaitSocket socket;
  socket.cookie = row.cookie;
  socket.age = std::chrono::milliseconds(row.last_ack_received_ms.value_or(0));
  socket.local = unmapped(row.local);
  socket.remote = unmapped(row.remote);
  socket.inode = row.inode;
  socket.receive_queue = row.receive_queue;
  socket.cgroup_id = row.cgroup_id.value_or(kUnknownCgroup);
  socket.binding = row.binding;
  socket.owes = owed_call_of(row);
  return socket;
}

}  // namespace closewatch
