#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "closewatch/base/unique_fd.h"
#include "closewatch/kernel/tcp_state.h"

/// Real sockets in wanted states. Everything here works in the network namespace that the calling
/// thread is in, and throws when a call fails.
namespace closewatch::testing {

/// How two sockets talk over loopback.
enum class Wire : std::uint8_t {
  kIpv4,
  kIpv6,
  kMapped,  ///< an IPv4 client of a dual-stack listener, whose end is ::ffff:127.0.0.1
};

struct Listener {
  UniqueFd fd;
  std::uint16_t port = 0;
};

Listener listen_on(Wire wire, int backlog);
/// Connects to a listener of this namespace; `wait` until established, else it stays in SYN_SENT.
UniqueFd connect_to(Wire wire, std::uint16_t port, bool wait = true);

/// The two ends of a connection.
struct Connection {
  UniqueFd client;
  UniqueFd server;
};
Connection connected(Wire wire, const Listener& listener);

/// Sends until nothing more fits, as the other end does not read.
void fill(const UniqueFd& socket);

/// Bounds what fill() has to send.
void shrink_buffers(const UniqueFd& socket);

/// Sockets that stay in `state`, `count` times, and whatever sockets that takes beside them.
/// kClose cannot be had: such a socket is in no table of the kernel.
std::vector<UniqueFd> sockets_in(TcpState state, Wire wire, std::size_t count);

/// `count` CLOSE_WAIT sockets (their other ends in FIN_WAIT2), spread over so many source addresses
/// in 127/8 that ports are found at once.
std::vector<UniqueFd> many_in_close_wait(std::size_t count, std::uint8_t network);

}  // namespace closewatch::testing
