// SPDX-License-Identifier: Apache-2.0
#include "kernel/inet_diag_codec.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <libmnl/libmnl.h>

namespace closewatch::inet_diag {
namespace {

// Linux 5.8, include/uapi/linux/inet_diag.h; spelt here for older headers.
constexpr std::uint16_t kAttributeCgroupId = 21;
// Linux 5.10; struct inet_diag_sockopt.
constexpr std::uint16_t kAttributeSocketOptions = 22;
// Linux 5.9, likewise: a request's attribute, for a protocol that eight bits cannot name.
constexpr std::uint16_t kRequestProtocol = 3;
constexpr std::uint32_t kIpprotoMptcp = 262;

// Whatever states are asked for: a connection's and its subflow's are two things. To leave the
// listeners out saves a lock for each bucket of their table (mptcp_diag_dump_listeners()).
constexpr std::uint32_t kConnections =
    SocketQuery::kAllStates & ~bit_of(TcpState::kListen) & ~bit_of(TcpState::kClose);

bool is_mptcp(Dump dump) { return dump == Dump::kMptcpIpv4 || dump == Dump::kMptcpIpv6; }

std::uint8_t family_of(Dump dump) {
  const bool ipv4 = dump == Dump::kIpv4 || dump == Dump::kMptcpIpv4;
  return ipv4 ? AF_INET : AF_INET6;
}

std::uint16_t message_type(Dump dump) {
  return dump == Dump::kBothFamilies ? TCPDIAG_GETSOCK : SOCK_DIAG_BY_FAMILY;
}

std::uint8_t extensions(const SocketQuery& query) {
  return query.tcp_info ? std::uint8_t{1U << (INET_DIAG_INFO - 1)} : std::uint8_t{0};
}

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorKind::kMalformed, std::string("netlink answer: ") + std::string(what));
}

tl::unexpected<Error> kernel_refused(int error_number) {
  // inet_diag_dump() answers ENOENT when no handler for TCP is there (tcp_diag is not loaded or not
  // built), EINVAL when it knows the request's type but not its form.
  if (error_number == ENOENT || error_number == EINVAL || error_number == EOPNOTSUPP) {
    return fail(ErrorKind::kUnsupported,
                std::string("the kernel refuses the socket dump (") + std::strerror(error_number) +
                    "): load the modules inet_diag and tcp_diag (modprobe tcp_diag)");
  }
  return fail_errno(error_number, "the kernel's socket dump");
}

/// One struct out of a message's payload, whose length was checked by the caller.
template <typename T>
T copy_from(const void* payload) {
  T value;
  std::memcpy(&value, payload, sizeof(T));
  return value;
}

Endpoint endpoint(std::uint8_t family, Bytes address, __be16 port) {
  Endpoint result;
  const bool is_ipv4 = family == AF_INET;
  result.address.family = is_ipv4 ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
  std::memcpy(result.address.bytes.data(), address.data(), is_ipv4 ? 4 : address.size());
  result.port = ntohs(port);
  return result;
}

Result<SocketRow> row_from(const inet_diag_msg& message) {
  const auto state = tcp_state_from(message.idiag_state);
  if (!state) return malformed("socket in unknown state " + std::to_string(message.idiag_state));
  if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) {
    return malformed("socket of unknown family " + std::to_string(message.idiag_family));
  }
  SocketRow row;
  row.state = *state;
  row.local = endpoint(message.idiag_family, std::as_bytes(std::span(message.id.idiag_src)),
                       message.id.idiag_sport);
  row.remote = endpoint(message.idiag_family, std::as_bytes(std::span(message.id.idiag_dst)),
                        message.id.idiag_dport);
  row.cookie = (std::uint64_t{message.id.idiag_cookie[1]} << 32U) | message.id.idiag_cookie[0];
  row.inode = message.idiag_inode;
  row.receive_queue = message.idiag_rqueue;
  row.send_queue = message.idiag_wqueue;
  return row;
}

Result<void> read_cgroup_id(Bytes payload, SocketRow& row) {
  const auto id = read_as<std::uint64_t>(payload);
  if (!id) return malformed("cgroup id of " + std::to_string(payload.size()) + " bytes");
  row.cgroup_id = *id;
  return {};
}

Result<void> read_tcp_info(Bytes payload, SocketRow& row) {
  // The struct grows with the kernel; this field has been there since its beginning.
  constexpr std::size_t kNeeded =
      offsetof(tcp_info, tcpi_last_ack_recv) + sizeof(tcp_info::tcpi_last_ack_recv);
  if (payload.size() < kNeeded) {
    return malformed("tcp_info of " + std::to_string(payload.size()) + " bytes");
  }
  row.last_ack_received_ms =
      read_as<std::uint32_t>(payload.subspan(offsetof(tcp_info, tcpi_last_ack_recv)));
  return {};
}

/// The kernel lays out the bits of its struct as C does: from the lowest on, on machines that have
/// the low byte first.
Result<void> read_socket_options(Bytes payload, SocketRow& row) {
  constexpr unsigned kTransparent = 1U << 5U;
  constexpr unsigned kBindAddressNoPort = 1U << 8U;
  const auto options = read_as<std::uint16_t>(payload);
  if (!options) {
    return malformed("socket options of " + std::to_string(payload.size()) + " bytes");
  }
  row.binding.transparent = (*options & kTransparent) != 0;
  row.binding.late_port = (*options & kBindAddressNoPort) != 0;
  return {};
}

/// struct mptcp_info of linux/mptcp.h, as far as it says when the last ACK came in. It is told of
/// no subflow, but for the connection: not where it has fallen back to TCP, whose ACKs are not its
/// own (ack_update_msk() in net/mptcp/options.c), nor before Linux 6.10.
Result<void> read_mptcp_info(Bytes payload, SocketRow& row) {
  constexpr std::size_t kFurtherSubflows = 0;  // eight bits
  constexpr std::size_t kFlags = 8;
  constexpr std::size_t kLastAckReceived = 92;
  constexpr std::uint32_t kFallback = 1;
  const auto flags = read_as<std::uint32_t>(payload.subspan(std::min(kFlags, payload.size())));
  if (!flags) return malformed("mptcp_info of " + std::to_string(payload.size()) + " bytes");
  if ((*flags & kFallback) != 0) return {};
  if (payload.size() > kLastAckReceived) {
    row.last_ack_received_ms = read_as<std::uint32_t>(payload.subspan(kLastAckReceived));
  } else if (payload[kFurtherSubflows] != std::byte{0}) {
    row.last_ack_received_ms = 0;  // the first subflow does not know what came by another
  }
  return {};
}

Result<void> read_attributes(Bytes attributes, Dump dump, SocketRow& row) {
  auto left = static_cast<int>(attributes.size());
  const auto* attribute = reinterpret_cast<const nlattr*>(attributes.data());
  while (left > 0) {
    if (!mnl_attr_ok(attribute, left)) return malformed("an attribute's length lies");
    const Bytes payload(static_cast<const std::byte*>(mnl_attr_get_payload(attribute)),
                        mnl_attr_get_payload_len(attribute));
    Result<void> read;
    switch (mnl_attr_get_type(attribute)) {
      case kAttributeCgroupId:
        read = read_cgroup_id(payload, row);
        break;
      case kAttributeSocketOptions:
        read = read_socket_options(payload, row);
        break;
      case INET_DIAG_INFO:
        read = is_mptcp(dump) ? read_mptcp_info(payload, row) : read_tcp_info(payload, row);
        break;
      default:
        break;  // a newer kernel's, or one we have no use for
    }
    if (!read) return read;
    left -= static_cast<int>(MNL_ALIGN(attribute->nla_len));
    attribute = mnl_attr_next(attribute);
  }
  return {};
}

/// A connection's queue is what its data take in memory, and has no FIN in it
/// (mptcp_diag_get_info()).
void add_fin(SocketRow& connection) {
  if (connection.state == TcpState::kCloseWait && connection.receive_queue > 0) {
    ++connection.receive_queue;
  }
}

Result<void> read_row(const nlmsghdr& header, Dump dump, RowSink& sink) {
  const Bytes payload(static_cast<const std::byte*>(mnl_nlmsg_get_payload(&header)),
                      mnl_nlmsg_get_payload_len(&header));
  if (payload.size() < sizeof(inet_diag_msg)) {
    return malformed("socket of " + std::to_string(payload.size()) + " bytes");
  }
  auto row = row_from(copy_from<inet_diag_msg>(payload.data()));
  if (!row) return tl::unexpected(row.error());
  const auto rest = payload.subspan(sizeof(inet_diag_msg));
  if (auto read = read_attributes(rest, dump, *row); !read) return read;
  if (is_mptcp(dump)) add_fin(*row);
  sink.row(*row);
  return {};
}

/// The error number that NLMSG_ERROR and NLMSG_DONE begin with, as errno has it; 0: none, for which
/// zero and positive numbers stand.
Result<int> read_verdict(const nlmsghdr& header) {
  constexpr std::int32_t kMostErrno = 4095;  // MAX_ERRNO, include/linux/err.h
  if (mnl_nlmsg_get_payload_len(&header) < sizeof(std::int32_t)) {
    return malformed("a verdict without its error number");
  }
  const auto verdict = copy_from<std::int32_t>(mnl_nlmsg_get_payload(&header));
  if (verdict < -kMostErrno) return malformed("a verdict that is no error number");
  return verdict < 0 ? -verdict : 0;
}

Result<Progress> read_done(const nlmsghdr& header) {
  // libmnl's own callback for NLMSG_DONE drops this error; it is how a dump that failed half-way
  // tells (netlink_dump_done() in net/netlink/af_netlink.c).
  const auto verdict = read_verdict(header);
  if (!verdict) return tl::unexpected(verdict.error());
  if (*verdict != 0) return kernel_refused(*verdict);
  return Progress::kDone;
}

Result<Progress> read_error(const nlmsghdr& header) {
  const auto verdict = read_verdict(header);
  if (!verdict) return tl::unexpected(verdict.error());
  if (*verdict != 0) return kernel_refused(*verdict);
  return malformed("an acknowledgement that nobody asked for");
}

Result<Progress> read_message(const nlmsghdr& header, const Exchange& exchange, RowSink& sink) {
  // Not mnl_nlmsg_portid_ok() and mnl_nlmsg_seq_ok(): they let 0 pass, for notifications.
  if (header.nlmsg_pid != exchange.port_id) return malformed("another's port id");
  if (header.nlmsg_seq != exchange.sequence) return malformed("another request's answer");
  if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
    return fail(ErrorKind::kInterrupted, "the kernel's table changed during the dump");
  }
  if (header.nlmsg_type == message_type(exchange.dump)) {
    if (auto read = read_row(header, exchange.dump, sink); !read)
      return tl::unexpected(read.error());
    return Progress::kMore;
  }
  switch (header.nlmsg_type) {
    case NLMSG_NOOP:
      return Progress::kMore;
    case NLMSG_DONE:
      return read_done(header);
    case NLMSG_ERROR:
      return read_error(header);
    default:
      return malformed("message of type " + std::to_string(header.nlmsg_type));
  }
}

}  // namespace

Request encode_request(const Exchange& exchange, const SocketQuery& query) {
  Request request;
  nlmsghdr* const header = mnl_nlmsg_put_header(request.storage.data());
  header->nlmsg_type = message_type(exchange.dump);
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = exchange.sequence;
  if (exchange.dump == Dump::kBothFamilies) {
    auto* const body =
        static_cast<inet_diag_req*>(mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req)));
    body->idiag_family = AF_UNSPEC;
    body->idiag_ext = extensions(query);
    body->idiag_states = query.states;
  } else {
    auto* const body = static_cast<inet_diag_req_v2*>(
        mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req_v2)));
    body->sdiag_family = family_of(exchange.dump);
    body->sdiag_protocol = is_mptcp(exchange.dump) ? 0 : IPPROTO_TCP;
    body->idiag_ext = extensions(query);
    body->idiag_states = is_mptcp(exchange.dump) ? kConnections : query.states;
    if (is_mptcp(exchange.dump)) mnl_attr_put_u32(header, kRequestProtocol, kIpprotoMptcp);
  }
  request.size = header->nlmsg_len;
  return request;
}

Result<Progress> decode_datagram(Bytes datagram, const Exchange& exchange, RowSink& sink) {
  if (datagram.empty()) return malformed("an empty datagram");
  if (reinterpret_cast<std::uintptr_t>(datagram.data()) % MNL_ALIGNTO != 0) {
    return malformed("a buffer that is not aligned");
  }
  while (!datagram.empty()) {
    // Not mnl_nlmsg_ok(): it compares lengths as signed numbers, so one of 2 GiB passes.
    const auto header = read_as<nlmsghdr>(datagram);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
      return malformed("a message's length lies");
    }
    const auto& message = *reinterpret_cast<const nlmsghdr*>(datagram.data());
    auto progress = read_message(message, exchange, sink);
    if (!progress) return progress;
    const auto taken = std::size_t{NLMSG_ALIGN(header->nlmsg_len)};
    datagram = datagram.subspan(std::min(taken, datagram.size()));
    if (*progress == Progress::kDone) {
      if (!datagram.empty()) return malformed("bytes after the end of the dump");
      return Progress::kDone;
    }
  }
  return Progress::kMore;
}

}  // namespace closewatch::inet_diag
