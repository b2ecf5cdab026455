// SPDX-License-Identifier: Apache-2.0
#include "kernel/inet_diag_source.h"

#include <utility>

namespace closewatch {
namespace {

// netlink_dump() in net/netlink/af_netlink.c fills datagrams of up to 32 KiB when the reader's
// buffer is that large, and never larger ones.
constexpr std::size_t kDumpBuffer = std::size_t{32} << 10U;

}  // namespace

InetDiagSource::InetDiagSource(std::unique_ptr<NetlinkOpener> opener)
    : opener_(std::move(opener)), buffer_(kDumpBuffer) {}

Result<SocketReading> InetDiagSource::read(int network_namespace, const SocketQuery& query,
                                           RowSink& sink) {
  ToldOnce once(seen_, sink);
  for (unsigned repeats = 0;; ++repeats) {
    once.restart();
    auto reading = read_once(network_namespace, query, once);
    if (reading || reading.error().kind != ErrorKind::kInterrupted || repeats == kMaxRepeats) {
      return reading;
    }
  }
}

Result<SocketReading> InetDiagSource::read_once(int network_namespace, const SocketQuery& query,
                                                RowSink& sink) {
  auto channel = opener_->open(network_namespace);
  if (!channel) return tl::unexpected(channel.error());
  if (auto done = dump_mptcp(**channel, query); !done) return tl::unexpected(done.error());
  SubflowsAsConnections folded(mptcp_, query, sink);
  if (auto done = dump_tcp(**channel, query, folded); !done) return tl::unexpected(done.error());
  folded.finish();
  SocketReading reading;
  reading.namespace_cookie = (*channel)->namespace_cookie();
  return reading;
}

/// Before TCP's, so that each subflow finds its connection.
Result<void> InetDiagSource::dump_mptcp(NetlinkChannel& channel, const SocketQuery& query) {
  mptcp_.restart();
  if (mptcp_refused_) return {};
  for (const auto kind : {inet_diag::Dump::kMptcpIpv4, inet_diag::Dump::kMptcpIpv6}) {
    auto done = dump(channel, kind, query, mptcp_);
    if (done) continue;
    if (done.error().kind != ErrorKind::kUnsupported) return done;
    mptcp_refused_ = true;
    break;
  }
  mptcp_.complete();
  return {};
}

Result<void> InetDiagSource::dump_tcp(NetlinkChannel& channel, const SocketQuery& query,
                                      RowSink& sink) {
  if (both_families_refused_) return dump_each_family(channel, query, sink);
  auto done = dump(channel, inet_diag::Dump::kBothFamilies, query, sink);
  if (done || done.error().kind != ErrorKind::kUnsupported) return done;
  sink.restart();
  done = dump_each_family(channel, query, sink);
  both_families_refused_ = done.has_value();
  return done;
}

Result<void> InetDiagSource::dump_each_family(NetlinkChannel& channel, const SocketQuery& query,
                                              RowSink& sink) {
  auto ipv4 = dump(channel, inet_diag::Dump::kIpv4, query, sink);
  if (!ipv4) return ipv4;
  auto ipv6 = dump(channel, inet_diag::Dump::kIpv6, query, sink);
  // A kernel that knows IPv4's sockets but not IPv6's was built without IPv6: there are none.
  if (!ipv6 && ipv6.error().kind == ErrorKind::kUnsupported) return ipv4;
  return ipv6;
}

Result<void> InetDiagSource::dump(NetlinkChannel& channel, inet_diag::Dump kind,
                                  const SocketQuery& query, RowSink& sink) {
  const inet_diag::Exchange exchange{kind, ++sequence_, channel.port_id()};
  const auto request = inet_diag::encode_request(exchange, query);
  if (auto sent = channel.send(request.bytes()); !sent) return sent;
  return receive_all(channel, exchange, sink);
}

Result<void> InetDiagSource::receive_all(NetlinkChannel& channel,
                                         const inet_diag::Exchange& exchange, RowSink& sink) {
  while (true) {
    const auto size = channel.receive(buffer_);
    if (!size) return tl::unexpected(size.error());
    const auto progress = inet_diag::decode_datagram(Bytes(buffer_).first(*size), exchange, sink);
    if (!progress) return tl::unexpected(progress.error());
    if (*progress == inet_diag::Progress::kDone) return {};
  }
}

}  // namespace closewatch
