// SPDX-License-Identifier: Apache-2.0
#include "http/tcp_progress.h"

#include <linux/sockios.h>
#include <linux/tcp.h>  // the C library's own tcp_info ends before what is wanted here
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace closewatch::http {
namespace {

/// Older kernels fill in less of it.
std::optional<tcp_info> info_of(int socket, std::size_t least) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < least) {
    return std::nullopt;
  }
  return info;
}

}  // namespace

std::optional<std::uint64_t> bytes_acknowledged(int socket) {
  const auto info =
      info_of(socket, offsetof(tcp_info, tcpi_bytes_acked) + sizeof(tcp_info::tcpi_bytes_acked));
  return info ? std::optional<std::uint64_t>(info->tcpi_bytes_acked) : std::nullopt;
}

std::size_t bytes_undelivered(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

void drop_undelivered_on_close(int socket, bool drop) {
  const linger at_once{.l_onoff = drop ? 1 : 0, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/// tcp_get_info() in net/ipv4/tcp.c: of a listener tcpi_unacked is the length of its queue.
std::size_t accept_queue_length(int listener) {
  const auto info =
      info_of(listener, offsetof(tcp_info, tcpi_unacked) + sizeof(tcp_info::tcpi_unacked));
  return info ? info->tcpi_unacked : 0;
}

}  // namespace closewatch::http
