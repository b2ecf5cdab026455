// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"
#include "closewatch/http/listen_address.h"

namespace closewatch::http {

/// The file of a UNIX socket, which goes with this. Movable.
class SocketFile {
 public:
  SocketFile() = default;
  explicit SocketFile(std::string path) : path_(std::move(path)) {}
  SocketFile(SocketFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SocketFile& operator=(SocketFile&&) = delete;
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile();

 private:
  std::string path_{};  ///< empty: none
};

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
  ~ListeningSocket() = default;

  /// The socket alone: its file stays this one's.
  [[nodiscard]] UniqueFd hand_over() { return std::move(socket_); }
  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] int family() const { return family_; }
  /// Tells the port where the kernel chose it.
  [[nodiscard]] const ListenAddress& address() const { return address_; }

 private:
  ListeningSocket(UniqueFd socket, int family, ListenAddress address, std::string file)
      : socket_(std::move(socket)),
        family_(family),
        address_(std::move(address)),
        file_(std::move(file)) {}

  UniqueFd socket_;
  int family_;
  ListenAddress address_;
  SocketFile file_;
};

}  // namespace closewatch::http
