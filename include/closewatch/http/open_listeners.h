// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/http/server.h"

namespace closewatch::http {

/// Sockets that listen, for a server in another process than the one that has opened them: that may
/// do what the server's must not. The files of UNIX sockets go with it.
class OpenListeners {
 public:
  /// Errors name the address and the remedy.
  static Result<OpenListeners> open(const Listeners& where);

  OpenListeners(OpenListeners&& other) noexcept;
  OpenListeners& operator=(OpenListeners&&) = delete;
  OpenListeners(const OpenListeners&) = delete;
  OpenListeners& operator=(const OpenListeners&) = delete;
  ~OpenListeners();

  /// Hands them over: they are whoever's that takes them, and in this process no more than files.
  [[nodiscard]] std::vector<int> take();
  /// Closes them here. A process that was forked before has them still.
  void close();

 private:
  struct Sockets;
  explicit OpenListeners(std::unique_ptr<Sockets> sockets);

  std::unique_ptr<Sockets> sockets_;
};

}  // namespace closewatch::http
