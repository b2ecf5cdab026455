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
  if (both_families_refused_) return dump_each_family(network_namespace, query, sink);
  auto reading = dump(network_namespace, inet_diag::Dump::kBothFamilies, query, sink);
  if (reading || reading.error().kind != ErrorKind::kUnsupported) return reading;
  sink.restart();
  reading = dump_each_family(network_namespace, query, sink);
  both_families_refused_ = reading.has_value();
  return reading;
}

Result<SocketReading> InetDiagSource::dump_each_family(int network_namespace,
                                                       const SocketQuery& query, RowSink& sink) {
  auto ipv4 = dump(network_namespace, inet_diag::Dump::kIpv4, query, sink);
  if (!ipv4) return ipv4;
  auto ipv6 = dump(network_namespace, inet_diag::Dump::kIpv6, query, sink);
  // A kernel that knows IPv4's sockets but not IPv6's was built without IPv6: there are none.
  if (!ipv6 && ipv6.error().kind == ErrorKind::kUnsupported) return ipv4;
  return ipv6;
}

Result<SocketReading> InetDiagSource::dump(int network_namespace, inet_diag::Dump kind,
                                           const SocketQuery& query, RowSink& sink) {
  auto channel = opener_->open(network_namespace);
  if (!channel) return tl::unexpected(channel.error());
  const inet_diag::Exchange exchange{kind, ++sequence_, (*channel)->port_id()};
  const auto request = inet_diag::encode_request(exchange, query);
  if (auto sent = (*channel)->send(request.bytes()); !sent) return tl::unexpected(sent.error());
  if (auto all = receive_all(**channel, exchange, sink); !all) return tl::unexpected(all.error());
  SocketReading reading;
  reading.namespace_cookie = (*channel)->namespace_cookie();
  return reading;
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
