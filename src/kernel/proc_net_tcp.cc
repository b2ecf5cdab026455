// SPDX-License-Identifier: Apache-2.0
#include "kernel/proc_net_tcp.h"

#include <cstring>
#include <optional>
#include <string>

#include <boost/container_hash/hash.hpp>

#include "closewatch/base/whole_number.h"

namespace closewatch::proc_net_tcp {
namespace {

constexpr int kHexadecimal = 16;
constexpr int kDecimal = 10;

tl::unexpected<Error> malformed(std::string_view line) {
  constexpr std::size_t kShown = 160;
  return fail(ErrorKind::kMalformed,
              "/proc/PID/net/tcp has an unknown line: " + std::string(line.substr(0, kShown)));
}

/// Takes words off a line, one by one.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  /// Empty at the end.
  std::string_view next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    const auto word = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(word.size());
    return word;
  }

 private:
  std::string_view rest_;
};

template <typename Number>
bool parse(std::string_view text, Number& number, int base) {
  const auto parsed = whole_number<Number>(text, base);
  number = parsed.value_or(0);
  return parsed.has_value();
}

/// "0100007F:1F90": the address as 32-bit numbers of the machine's own byte order, the port as it
/// is.
bool parse_endpoint(std::string_view text, Endpoint& endpoint) {
  constexpr std::size_t kDigits = 8;  // of 32 bits
  const auto colon = text.find(':');
  if (colon != kDigits && colon != 4 * kDigits) return false;
  endpoint.address.family = colon == kDigits ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
  for (std::size_t at = 0; at < colon; at += kDigits) {
    std::uint32_t part = 0;
    if (!parse(text.substr(at, kDigits), part, kHexadecimal)) return false;
    std::memcpy(endpoint.address.bytes.data() + at / 2, &part, sizeof(part));
  }
  return parse(text.substr(colon + 1), endpoint.port, kHexadecimal);
}

/// "TX:RX", in bytes.
bool parse_queues(std::string_view text, SocketRow& row) {
  const auto colon = text.find(':');
  return colon != std::string_view::npos &&
         parse(text.substr(0, colon), row.send_queue, kHexadecimal) &&
         parse(text.substr(colon + 1), row.receive_queue, kHexadecimal);
}

/// Of the addresses, which a socket that is no listener shares with no other.
std::uint64_t identity(const SocketRow& row) {
  std::size_t hash = row.state == TcpState::kListen ? row.inode : 0;
  for (const auto& endpoint : {row.local, row.remote}) {
    boost::hash_range(hash, endpoint.address.bytes.begin(), endpoint.address.bytes.end());
    boost::hash_combine(hash, endpoint.port);
  }
  return hash;
}

}  // namespace

Result<SocketRow> parse_line(std::string_view line) {
  Words words(line);
  SocketRow row;
  unsigned state = 0;
  const auto number = words.next();
  if (!number.ends_with(':') || !parse_endpoint(words.next(), row.local) ||
      !parse_endpoint(words.next(), row.remote) || !parse(words.next(), state, kHexadecimal) ||
      !parse_queues(words.next(), row)) {
    return malformed(line);
  }
  words.next();  // timer and when it fires
  words.next();  // retransmissions
  words.next();  // uid
  words.next();  // unanswered probes
  const auto known = tcp_state_from(state);
  if (!known || !parse(words.next(), row.inode, kDecimal)) {
    return malformed(line);
  }
  row.state = *known;
  if (row.state == TcpState::kListen) row.send_queue = kNoAcceptLimit;
  row.cookie = identity(row);
  return row;
}

}  // namespace closewatch::proc_net_tcp
