// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "closewatch/base/bytes.h"
#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_source.h"

/// The wire format of inet_diag dumps, pure: bytes in, rows or an error out. No function here does
/// any I/O or keeps state. Formats: linux/netlink.h, linux/inet_diag.h, net/ipv4/inet_diag.c.
namespace closewatch::inet_diag {

/// Which request asks for the sockets.
enum class Dump : std::uint8_t {
  /// TCPDIAG_GETSOCK with family 0: both families in one walk of the kernel's table.
  kBothFamilies,
  /// SOCK_DIAG_BY_FAMILY, one walk each; where AF_UNSPEC is refused with ENOENT.
  kIpv4,
  kIpv6,
  /// The same for the connections of MPTCP; listeners and connections that are over are left out,
  /// as
  /// the listening socket is one of TCP. Kernels that know no INET_DIAG_REQ_PROTOCOL (before 5.9)
  /// or have no mptcp_diag refuse it with ENOENT.
  kMptcpIpv4,
  kMptcpIpv6,
};

/// What ties an answer to its request.
struct Exchange {
  Dump dump = Dump::kBothFamilies;
  std::uint32_t sequence = 0;
  std::uint32_t port_id = 0;  ///< the netlink socket's own address
};

/// A request as it goes to the kernel.
struct Request {
  alignas(4) std::array<std::byte, 128> storage{};
  std::size_t size = 0;

  [[nodiscard]] Bytes bytes() const { return Bytes(storage).first(size); }
};

Request encode_request(const Exchange& exchange, const SocketQuery& query);

enum class Progress : std::uint8_t { kMore, kDone };

/// Hands each row of one received datagram to `sink`. kDone when the dump's end was reached; what
/// follows is another datagram otherwise. `datagram` must be aligned to four bytes.
///
/// Errors: kMalformed for anything that breaks the format (empty, short header, lying length,
/// trailing bytes, unknown message, foreign sequence or port id), kInterrupted for NLM_F_DUMP_INTR,
/// and the kernel's own error out of NLMSG_ERROR or NLMSG_DONE, ENOENT and EINVAL as kUnsupported.
/// Rows handed over before an error must be dropped.
Result<Progress> decode_datagram(Bytes datagram, const Exchange& exchange, RowSink& sink);

}  // namespace closewatch::inet_diag
