// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include "closewatch/base/result.h"
#include "closewatch/http/listen_address.h"

namespace closewatch::http {

/// As the kernel takes it: of IPv4, of IPv6, or of a UNIX socket's file.
class SocketAddress {
 public:
  /// Every address of the machine is "0.0.0.0" or "::" here. Errors: kMalformed.
  static Result<SocketAddress> of(const ListenAddress& address);
  /// Where a socket is; of no family when it is none.
  static SocketAddress local(int socket);

  [[nodiscard]] const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&bytes_); }
  [[nodiscard]] socklen_t size() const { return size_; }
  [[nodiscard]] int family() const { return bytes_.ss_family; }
  /// The host is empty where it is every address of the machine.
  [[nodiscard]] ListenAddress listen_address() const;

 private:
  sockaddr_storage bytes_{};
  socklen_t size_ = 0;
};

}  // namespace closewatch::http
