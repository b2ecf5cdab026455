// SPDX-License-Identifier: Apache-2.0
#include "kernel/proc_net_tcp.h"

#include <cstring>

#include "tests/fuzz/fuzz.h"
#include <fmt/format.h>

namespace closewatch::fuzz {
namespace {

std::string encoded(const Endpoint& endpoint) {
  const std::size_t words = endpoint.address.family == AddressFamily::kIpv4 ? 1 : 4;
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, endpoint.address.bytes.data() + 4 * i, sizeof(word));
    text += fmt::format("{:08X}", word);
  }
  return text + fmt::format(":{:04X}", endpoint.port);
}

/// As tcp4_seq_show() writes it.
std::string encoded(const SocketRow& row) {
  return fmt::format("   0: {} {} {:02X} {:08X}:{:08X} 00:00000000 00000000  1000        0 {} 1 0",
                     encoded(row.local), encoded(row.remote), static_cast<unsigned>(row.state),
                     row.send_queue, row.receive_queue, row.inode);
}

bool same(const SocketRow& one, const SocketRow& other) {
  return one.state == other.state && one.local == other.local && one.remote == other.remote &&
         one.cookie == other.cookie && one.inode == other.inode &&
         one.receive_queue == other.receive_queue && one.send_queue == other.send_queue;
}

}  // namespace

void attempt(std::string_view input) {
  const auto row = proc_net_tcp::parse_line(input);
  if (!row) return require(is_printable(row.error().what), "an error is fit for a log");
  if (row->local.address.family != row->remote.address.family) return;  // no kernel writes that
  const auto again = proc_net_tcp::parse_line(encoded(*row));
  require(again && same(*row, *again), "parsing what was written gives the same socket");
}

}  // namespace closewatch::fuzz
