// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
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

inline constexpr std::array kWires = {Wire::kIpv4, Wire::kIpv6, Wire::kMapped};

/// For the names of tests.
constexpr const char* name_of(Wire wire) {
  return wire == Wire::kIpv4 ? "Ipv4" : wire == Wire::kIpv6 ? "Ipv6" : "Mapped";
}

struct Listener {
  UniqueFd fd;
  std::uint16_t port = 0;
};

/// `port` 0 leaves the choice to the kernel; another may have sockets left from earlier listeners.
Listener listen_on(Wire wire, int backlog, std::uint16_t port = 0);
/// As many as there shall be on one port (SO_REUSEPORT); the first takes port 0.
Listener listen_beside_others(Wire wire, std::uint16_t port);
/// Connects to a listener of this namespace; `wait` until established, else it stays in SYN_SENT.
UniqueFd connect_to(Wire wire, std::uint16_t port, bool wait = true);

/// The two ends of a connection.
struct Connection {
  UniqueFd client;
  UniqueFd server;
};
Connection connected(Wire wire, const Listener& listener);

/// Sends the FIN and waits until the other end has it; the socket still receives.
void half_close(const UniqueFd& socket);
/// Sends so many bytes; they must fit.
void send_bytes(const UniqueFd& socket, std::size_t count);
/// Reads until the end-of-file has been told, which must be there.
void read_to_end(const UniqueFd& socket);
/// Waits for the next connection.
UniqueFd accept_from(const Listener& listener);

/// Sends until nothing more fits, as the other end does not read.
void fill(const UniqueFd& socket);

/// Bounds what fill() has to send.
void shrink_buffers(const UniqueFd& socket);

/// Sockets that stay in `state`, `count` times, and whatever sockets that takes beside them.
/// kClose cannot be had: such a socket is in no table of the kernel.
std::vector<UniqueFd> sockets_in(TcpState state, Wire wire, std::size_t count);

/// `count` CLOSE_WAIT sockets (their other ends in FIN_WAIT2), spread over so many source addresses
/// in 127.`network`/16; 50 are enough for ports to be found at once.
std::vector<UniqueFd> many_in_close_wait(std::size_t count, std::uint8_t network,
                                         std::uint16_t sources = 50);

}  // namespace closewatch::testing
