#pragma once

#include <string>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"
#include "closewatch/http/listen_address.h"

namespace closewatch::http {

/// A socket that listens, with small buffers for its connections. That of a file takes the file
/// with it when it goes.
class ListeningSocket {
 public:
  /// Errors name the address and the remedy. A UNIX socket is root's alone; a file of one at which
  /// nobody listens any more is replaced.
  static Result<ListeningSocket> open(const ListenAddress& address);
  /// Of one that somebody else has opened, and keeps. Errors: kUnsupported, when it does not listen
  /// for TCP or at a file.
  static Result<ListeningSocket> adopt(UniqueFd socket);

  ListeningSocket(ListeningSocket&&) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  ~ListeningSocket();

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] int family() const { return family_; }
  /// Tells the port where the kernel chose it.
  [[nodiscard]] const ListenAddress& address() const { return address_; }

 private:
  ListeningSocket(UniqueFd socket, int family, ListenAddress address, bool owns_file)
      : socket_(std::move(socket)),
        family_(family),
        address_(std::move(address)),
        owns_file_(owns_file) {}

  UniqueFd socket_;
  int family_;
  ListenAddress address_;
  bool owns_file_;
};

}  // namespace closewatch::http
