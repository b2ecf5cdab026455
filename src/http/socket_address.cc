// SPDX-License-Identifier: Apache-2.0
#include "http/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

namespace closewatch::http {

Result<SocketAddress> SocketAddress::of(const ListenAddress& address) {
  SocketAddress made;
  if (!address.path.empty()) {
    auto& file = reinterpret_cast<sockaddr_un&>(made.bytes_);
    if (address.path.size() >= sizeof(file.sun_path)) {
      return fail(ErrorKind::kMalformed, "'" + address.path + "' is too long for a UNIX socket");
    }
    file.sun_family = AF_UNIX;
    std::memcpy(&file.sun_path[0], address.path.data(), address.path.size());
    made.size_ = sizeof(file);
    return made;
  }
  auto& ipv4 = reinterpret_cast<sockaddr_in&>(made.bytes_);
  auto& ipv6 = reinterpret_cast<sockaddr_in6&>(made.bytes_);
  if (::inet_pton(AF_INET, address.host.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(address.port);
    made.size_ = sizeof(ipv4);
  } else if (::inet_pton(AF_INET6, address.host.c_str(), &ipv6.sin6_addr) == 1) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(address.port);
    made.size_ = sizeof(ipv6);
  } else {
    return fail(ErrorKind::kMalformed, "'" + address.host + "' is no address");
  }
  return made;
}

SocketAddress SocketAddress::local(int socket) {
  SocketAddress found;
  found.size_ = sizeof(found.bytes_);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&found.bytes_), &found.size_) != 0) {
    return {};
  }
  return found;
}

ListenAddress SocketAddress::listen_address() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(bytes_);
    if (ipv4.sin_addr.s_addr == INADDR_ANY) return {"", ntohs(ipv4.sin_port)};
    ::inet_ntop(AF_INET, &ipv4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(ipv4.sin_port)};
  }
  if (family() == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(bytes_);
    if (IN6_IS_ADDR_UNSPECIFIED(&ipv6.sin6_addr)) return {"", ntohs(ipv6.sin6_port)};
    ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(ipv6.sin6_port)};
  }
  // The path of an abstract one, or of none, begins with a null byte.
  if (family() == AF_UNIX) {
    return {.path = &reinterpret_cast<const sockaddr_un&>(bytes_).sun_path[0]};
  }
  return {};
}

}  // namespace closewatch::http
