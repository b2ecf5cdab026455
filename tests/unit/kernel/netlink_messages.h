// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "closewatch/base/bytes.h"
#include "kernel/inet_diag_codec.h"

namespace closewatch::testing {

/// TCP_CLOSE_WAIT of include/net/tcp_states.h.
inline constexpr std::uint8_t kCloseWaitState = 8;

/// Builds a datagram as the kernel would send it, or as it never should: every length can lie.
class Datagram {
 public:
  explicit Datagram(inet_diag::Exchange exchange) : exchange_(exchange) {}

  Datagram& message(std::uint16_t type, const std::vector<std::byte>& payload,
                    std::uint16_t flags = NLM_F_MULTI) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(payload.size()));
    header.nlmsg_type = type;
    header.nlmsg_flags = flags;
    header.nlmsg_seq = exchange_.sequence;
    header.nlmsg_pid = exchange_.port_id;
    last_ = bytes_.size();
    append(&header, sizeof(header));
    append(payload.data(), payload.size());
    while (bytes_.size() % NLMSG_ALIGNTO != 0) bytes_.push_back({});
    return *this;
  }

  Datagram& row(const inet_diag_msg& body, const std::vector<std::byte>& attributes = {}) {
    std::vector<std::byte> payload(sizeof(body));
    std::memcpy(payload.data(), &body, sizeof(body));
    payload.insert(payload.end(), attributes.begin(), attributes.end());
    const bool both = exchange_.dump == inet_diag::Dump::kBothFamilies;
    return message(both ? TCPDIAG_GETSOCK : 20 /* SOCK_DIAG_BY_FAMILY */, payload);
  }

  Datagram& verdict(std::uint16_t type, std::int32_t error) {
    std::vector<std::byte> payload(sizeof(error));
    std::memcpy(payload.data(), &error, sizeof(error));
    return message(type, payload);
  }

  Datagram& done(std::int32_t error = 0) { return verdict(NLMSG_DONE, error); }
  Datagram& refusal(std::int32_t error) { return verdict(NLMSG_ERROR, error); }

  Datagram& trailing(std::size_t count) {
    bytes_.insert(bytes_.end(), count, std::byte{0x5A});
    return *this;
  }

  /// The last message's header, to be falsified.
  nlmsghdr& last_header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data() + last_); }
  std::byte* last_payload() { return bytes_.data() + last_ + NLMSG_HDRLEN; }

  void cut_to(std::size_t size) {
    bytes_.erase(bytes_.begin() + static_cast<std::ptrdiff_t>(size), bytes_.end());
  }

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  void append(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }

  inet_diag::Exchange exchange_;
  std::vector<std::byte> bytes_;
  std::size_t last_ = 0;
};

/// One attribute, padded.
inline std::vector<std::byte> attribute(std::uint16_t type, const void* payload, std::size_t size) {
  nlattr header{};
  header.nla_len = static_cast<std::uint16_t>(sizeof(header) + size);
  header.nla_type = type;
  std::vector<std::byte> bytes(sizeof(header) + (size + 3) / 4 * 4);
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), payload, size);
  return bytes;
}

inline inet_diag_msg socket_message(std::uint8_t state, std::uint16_t local_port = 80) {
  inet_diag_msg message{};
  message.idiag_family = AF_INET;
  message.idiag_state = state;
  message.id.idiag_sport = htons(local_port);
  return message;
}

}  // namespace closewatch::testing
