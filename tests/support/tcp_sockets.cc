// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tcp_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <deque>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tests/support/network_namespace.h"

namespace closewatch::testing {
namespace {

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

void check(bool succeeded, const char* what) {
  if (!succeeded) throw std::system_error(errno, std::generic_category(), what);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address ipv4(std::uint32_t host, std::uint16_t port) {
  Address address;
  auto& in = reinterpret_cast<sockaddr_in&>(address.storage);
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(host);
  address.size = sizeof(in);
  return address;
}

Address ipv6(const in6_addr& host, std::uint16_t port) {
  Address address;
  auto& in = reinterpret_cast<sockaddr_in6&>(address.storage);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_addr = host;
  address.size = sizeof(in);
  return address;
}

Address loopback(Wire wire, std::uint16_t port) {
  return wire == Wire::kIpv6 ? ipv6(in6addr_loopback, port) : ipv4(INADDR_LOOPBACK, port);
}

UniqueFd tcp_socket(int family, int flags = 0) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  check(fd.valid(), "socket");
  return fd;
}

template <typename Value>
void set_option(const UniqueFd& socket, int level, int option, Value value) {
  check(::setsockopt(socket.get(), level, option, &value, sizeof(value)) == 0, "setsockopt");
}

Listener listen_with(int reuse, Wire wire, int backlog, std::uint16_t port) {
  Listener listener;
  listener.fd = tcp_socket(wire == Wire::kIpv4 ? AF_INET : AF_INET6);
  auto address = wire == Wire::kIpv4   ? ipv4(INADDR_LOOPBACK, port)
                 : wire == Wire::kIpv6 ? ipv6(in6addr_loopback, port)
                                       : ipv6(in6addr_any, port);
  set_option(listener.fd, SOL_SOCKET, reuse, 1);
  check(::bind(listener.fd.get(), address.get(), address.size) == 0, "bind");
  shrink_buffers(listener.fd);
  check(::listen(listener.fd.get(), backlog) == 0, "listen");
  check(::getsockname(listener.fd.get(), address.get(), &address.size) == 0, "getsockname");
  // Both families keep the port at the same place.
  listener.port = ntohs(reinterpret_cast<sockaddr_in&>(address.storage).sin_port);
  return listener;
}

void keep(std::vector<UniqueFd>& kept, Connection connection) {
  kept.push_back(std::move(connection.client));
  kept.push_back(std::move(connection.server));
}

TcpState state_of(const UniqueFd& socket) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  check(::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0, "TCP_INFO");
  return static_cast<TcpState>(info.tcpi_state);
}

/// What was sent arrives in its own time, even over loopback: a busy CPU leaves it to ksoftirqd.
void wait_for(TcpState state, const UniqueFd& socket) {
  wait_until("a socket is in " + std::string(name_of(state)),
             [&] { return state_of(socket) == state; });
}

void send_fin(const UniqueFd& socket) { check(::shutdown(socket.get(), SHUT_WR) == 0, "shutdown"); }

/// What one connection must go through for one of its ends to stay in `state`.
void bring_into(TcpState state, Connection& connection) {
  switch (state) {
    case TcpState::kFinWait1:  // its FIN waits behind data that nobody reads
      fill(connection.client);
      send_fin(connection.client);
      break;
    case TcpState::kFinWait2:
    case TcpState::kCloseWait:
      half_close(connection.client);
      break;
    case TcpState::kLastAck:  // after CLOSE_WAIT, its own FIN waits behind data that nobody reads
      half_close(connection.client);
      fill(connection.server);
      send_fin(connection.server);
      break;
    case TcpState::kClosing:  // like FIN_WAIT1, and then the other end's FIN comes in
      fill(connection.client);
      send_fin(connection.client);
      half_close(connection.server);
      wait_for(TcpState::kClosing, connection.client);
      break;
    case TcpState::kTimeWait:
      half_close(connection.client);
      send_fin(connection.server);
      wait_for(TcpState::kClose, connection.client);
      wait_for(TcpState::kClose, connection.server);
      connection.client = UniqueFd();
      connection.server = UniqueFd();
      break;
    default:
      break;
  }
}

std::vector<UniqueFd> in_syn_sent(Wire wire, std::size_t count) {
  // A listener whose accept queue is full drops what comes next.
  std::vector<UniqueFd> kept;
  auto listener = listen_on(wire, 0);
  kept.push_back(connect_to(wire, listener.port));
  wait_until("the accept queue is full", [&] {
    pollfd readable{listener.fd.get(), POLLIN, 0};
    return ::poll(&readable, 1, 0) == 1;
  });
  for (std::size_t i = 0; i < count; ++i) kept.push_back(connect_to(wire, listener.port, false));
  kept.push_back(std::move(listener.fd));
  return kept;
}

std::vector<UniqueFd> in_syn_recv(Wire wire, std::size_t count) {
  // Who asked to hear of a connection only with its first data leaves it a request until then.
  constexpr int kSecondsToWait = 120;
  std::vector<UniqueFd> kept;
  auto listener = listen_on(wire, 1024);
  set_option(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, kSecondsToWait);
  for (std::size_t i = 0; i < count; ++i) kept.push_back(connect_to(wire, listener.port));
  kept.push_back(std::move(listener.fd));
  return kept;
}

std::vector<UniqueFd> in_listen(Wire wire, std::size_t count) {
  std::vector<UniqueFd> kept;
  for (std::size_t i = 0; i < count; ++i) kept.push_back(listen_on(wire, 16).fd);
  return kept;
}

}  // namespace

Listener listen_on(Wire wire, int backlog, std::uint16_t port) {
  return listen_with(SO_REUSEADDR, wire, backlog, port);
}

Listener listen_beside_others(Wire wire, std::uint16_t port) {
  return listen_with(SO_REUSEPORT, wire, 8, port);
}

UniqueFd connect_to(Wire wire, std::uint16_t port, bool wait) {
  auto fd = tcp_socket(wire == Wire::kIpv6 ? AF_INET6 : AF_INET, wait ? 0 : SOCK_NONBLOCK);
  shrink_buffers(fd);
  const auto address = loopback(wire, port);
  const int result = ::connect(fd.get(), address.get(), address.size);
  check(result == 0 || (!wait && errno == EINPROGRESS), "connect");
  return fd;
}

Connection connected(Wire wire, const Listener& listener) {
  Connection connection;
  connection.client = connect_to(wire, listener.port);
  connection.server = accept_from(listener);
  return connection;
}

UniqueFd accept_from(const Listener& listener) {
  UniqueFd fd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  check(fd.valid(), "accept");
  return fd;
}

void half_close(const UniqueFd& socket) {
  send_fin(socket);
  wait_until("the FIN has been acknowledged", [&] {
    const auto state = state_of(socket);
    return state == TcpState::kFinWait2 || state == TcpState::kClose;
  });
}

void send_bytes(const UniqueFd& socket, std::size_t count) {
  const std::vector<char> bytes(count);
  check(::send(socket.get(), bytes.data(), count, MSG_NOSIGNAL) == static_cast<ssize_t>(count),
        "send");
}

void read_to_end(const UniqueFd& socket) {
  std::array<char, 4096> piece{};
  ssize_t got = 0;
  while ((got = ::recv(socket.get(), piece.data(), piece.size(), 0)) > 0) {
  }
  check(got == 0, "recv");
}

void shrink_buffers(const UniqueFd& socket) {
  constexpr int kSmall = 4096;
  set_option(socket, SOL_SOCKET, SO_SNDBUF, kSmall);
  set_option(socket, SOL_SOCKET, SO_RCVBUF, kSmall);
}

void fill(const UniqueFd& socket) {
  constexpr std::size_t kPiece = 16 << 10;
  const std::array<char, kPiece> piece{};
  while (::send(socket.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  check(errno == EAGAIN || errno == EWOULDBLOCK, "send");
}

std::vector<UniqueFd> sockets_in(TcpState state, Wire wire, std::size_t count) {
  if (state == TcpState::kListen) return in_listen(wire, count);
  if (state == TcpState::kSynSent) return in_syn_sent(wire, count);
  if (state == TcpState::kSynRecv) return in_syn_recv(wire, count);
  std::vector<UniqueFd> kept;
  auto listener = listen_on(wire, 1024);
  for (std::size_t i = 0; i < count; ++i) {
    auto connection = connected(wire, listener);
    bring_into(state, connection);
    keep(kept, std::move(connection));
  }
  kept.push_back(std::move(listener.fd));
  return kept;
}

std::vector<UniqueFd> many_in_close_wait(std::size_t count, std::uint8_t network,
                                         std::uint16_t sources) {
  constexpr std::size_t kEnding = 256;  // descriptors: a FIN is acknowledged some ms later
  std::deque<UniqueFd> ending;
  const auto end_first = [&ending] {
    wait_for(TcpState::kFinWait2, ending.front());
    ending.pop_front();  // the kernel keeps it in FIN_WAIT2 for a minute
  };
  std::vector<UniqueFd> kept;
  kept.reserve(count + 1);
  auto listener = listen_on(Wire::kIpv4, 1024);
  for (std::size_t i = 0; i < count; ++i) {
    Connection connection;
    connection.client = tcp_socket(AF_INET);
    set_option(connection.client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const auto source = ipv4(
        0x7F000000U | (std::uint32_t{network} << 16U) | static_cast<std::uint32_t>(1 + i % sources),
        0);
    check(::bind(connection.client.get(), source.get(), source.size) == 0, "bind");
    const auto target = ipv4(INADDR_LOOPBACK, listener.port);
    check(::connect(connection.client.get(), target.get(), target.size) == 0, "connect");
    connection.server = accept_from(listener);
    send_fin(connection.client);
    ending.push_back(std::move(connection.client));
    kept.push_back(std::move(connection.server));
    if (ending.size() > kEnding) end_first();
  }
  while (!ending.empty()) end_first();
  kept.push_back(std::move(listener.fd));
  return kept;
}

}  // namespace closewatch::testing
