// SPDX-License-Identifier: Apache-2.0
#include "http/listening_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <utility>

#include "http/socket_address.h"

namespace closewatch::http {
namespace {

constexpr int kSendBuffer = 96 << 10;  // the kernel doubles it; without, it takes megabytes
constexpr int kReceiveBuffer = 4 << 10;
constexpr int kSwitchedOn = 1;
constexpr int kSwitchedOff = 0;

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

int value_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// Connections are as their listener is: tcp(7). An answer over TLS is several records, each a
/// write: what is left of one must not wait for the word that the last has arrived, which comes 40
/// ms late.
bool prepare(int fd, int family) {
  return set(fd, SOL_SOCKET, SO_SNDBUF, kSendBuffer) &&
         set(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer) &&
         (family == AF_UNIX || set(fd, IPPROTO_TCP, TCP_NODELAY, kSwitchedOn));
}

/// Whether the file is a socket's at which nobody listens any more. To connect to a file of another
/// kind is refused as well (connect(2)).
bool is_left_over(const SocketAddress& address, const std::string& path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED;
}

/// An invalid one, and errno, when it cannot be.
UniqueFd listen_at(const SocketAddress& address, const std::string& path, bool both_families) {
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return {};
  const bool is_file = !path.empty();
  if (is_file && is_left_over(address, path)) ::unlink(path.c_str());
  const bool listens =
      set(socket.get(), SOL_SOCKET, SO_REUSEADDR, kSwitchedOn) &&
      prepare(socket.get(), address.family()) &&
      (!both_families || set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, kSwitchedOff)) &&
      ::bind(socket.get(), address.data(), address.size()) == 0 &&
      // Nobody can connect before it listens.
      (!is_file || ::chmod(path.c_str(), S_IRUSR | S_IWUSR) == 0) &&
      ::listen(socket.get(), SOMAXCONN) == 0;
  return listens ? std::move(socket) : UniqueFd();
}

tl::unexpected<Error> refuse_address(const ListenAddress& address, int error) {
  return fail(
      ErrorKind::kSystem,
      "cannot listen on " + to_text(address) + ": " +
          (error == EADDRINUSE ? "another program does" : std::generic_category().message(error)) +
          "; choose another address with --web.listen-address");
}

}  // namespace

Result<ListeningSocket> ListeningSocket::open(const ListenAddress& address) {
  const bool everywhere = address.path.empty() && address.host.empty();
  auto bound = SocketAddress::of(everywhere ? ListenAddress{"::", address.port} : address);
  if (!bound) return tl::unexpected(bound.error());
  auto socket = listen_at(*bound, address.path, everywhere);
  // A kernel without IPv6 is normal.
  if (!socket.valid() && everywhere && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
    bound = SocketAddress::of({"0.0.0.0", address.port});
    socket = listen_at(*bound, address.path, false);
  }
  if (!socket.valid()) return refuse_address(address, errno);
  const int family = bound->family();
  auto here = SocketAddress::local(socket.get()).listen_address();
  return ListeningSocket(std::move(socket), family, std::move(here), address.path);
}

Result<ListeningSocket> ListeningSocket::adopt(UniqueFd socket) {
  const auto here = SocketAddress::local(socket.get());
  const bool fits = here.family() == AF_INET || here.family() == AF_INET6 ||
                    (here.family() == AF_UNIX && !here.listen_address().path.empty());
  if (!fits || value_of(socket.get(), SO_TYPE) != SOCK_STREAM ||
      value_of(socket.get(), SO_ACCEPTCONN) != kSwitchedOn) {
    return fail(ErrorKind::kUnsupported,
                "descriptor " + std::to_string(socket.get()) +
                    ", which the service manager hands over, is no socket that listens for TCP or "
                    "at a file");
  }
  if (!prepare(socket.get(), here.family())) return fail_errno(errno, "preparing a socket");
  return ListeningSocket(std::move(socket), here.family(), here.listen_address(), {});
}

SocketFile::~SocketFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace closewatch::http
