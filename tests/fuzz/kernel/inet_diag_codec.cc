// SPDX-License-Identifier: Apache-2.0
#include "kernel/inet_diag_codec.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/support/collecting_sink.h"
#include "tests/unit/kernel/netlink_messages.h"

namespace closewatch::fuzz {
namespace {

using closewatch::testing::CollectingSink;
using closewatch::testing::Datagram;

constexpr std::size_t kLeastOfARow = sizeof(nlmsghdr) + sizeof(inet_diag_msg);

bool same(const SocketRow& one, const SocketRow& other) {
  return one.state == other.state && one.local == other.local && one.remote == other.remote &&
         one.cookie == other.cookie && one.inode == other.inode &&
         one.receive_queue == other.receive_queue && one.send_queue == other.send_queue;
}

inet_diag_msg encoded(const SocketRow& row) {
  inet_diag_msg message{};
  message.idiag_family = row.local.address.family == AddressFamily::kIpv4 ? AF_INET : AF_INET6;
  message.idiag_state = static_cast<std::uint8_t>(row.state);
  message.id.idiag_sport = htons(row.local.port);
  message.id.idiag_dport = htons(row.remote.port);
  std::memcpy(message.id.idiag_src, row.local.address.bytes.data(), sizeof(message.id.idiag_src));
  std::memcpy(message.id.idiag_dst, row.remote.address.bytes.data(), sizeof(message.id.idiag_dst));
  message.id.idiag_cookie[0] = static_cast<std::uint32_t>(row.cookie);
  message.id.idiag_cookie[1] = static_cast<std::uint32_t>(row.cookie >> 32U);
  message.idiag_inode = row.inode;
  message.idiag_rqueue = row.receive_queue;
  message.idiag_wqueue = row.send_queue;
  return message;
}

/// The kernel would tell the same sockets so.
void require_same_again(const std::vector<SocketRow>& rows, const inet_diag::Exchange& exchange) {
  Datagram datagram(exchange);
  for (const auto& row : rows) datagram.row(encoded(row));
  datagram.done();
  CollectingSink sink;
  const auto progress = inet_diag::decode_datagram(datagram.bytes(), exchange, sink);
  require(progress && *progress == inet_diag::Progress::kDone, "what was encoded is decoded");
  require(std::equal(rows.begin(), rows.end(), sink.rows.begin(), sink.rows.end(), same),
          "decoding what was encoded gives the same sockets");
}

}  // namespace

/// A byte for the kind of dump, then the datagram.
void attempt(std::string_view input) {
  const inet_diag::Exchange exchange{static_cast<inet_diag::Dump>(take_byte(input) % 5), 0, 0};
  const std::vector<std::byte> datagram(
      reinterpret_cast<const std::byte*>(input.data()),
      reinterpret_cast<const std::byte*>(input.data()) + input.size());  // aligned, as a buffer is
  CollectingSink sink;
  const auto progress = inet_diag::decode_datagram(datagram, exchange, sink);
  require(sink.rows.size() <= datagram.size() / kLeastOfARow, "no more sockets than there is room");
  // A connection of MPTCP with unread data counts one more, for the FIN, each time it is decoded.
  const bool of_tcp = exchange.dump < inet_diag::Dump::kMptcpIpv4;
  if (progress && of_tcp) require_same_again(sink.rows, exchange);
}

}  // namespace closewatch::fuzz
