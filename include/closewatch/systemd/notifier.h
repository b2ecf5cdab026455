// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace closewatch {

/// Tells the service manager how the service is: a datagram for each word to the socket that it has
/// named in the environment (sd_notify(3)). libsystemd would do the same with five libraries more,
/// and takes WATCHDOG_PID for the sender's, while this program is two processes.
class Notifier {
 public:
  /// By NOTIFY_SOCKET; without it nobody is told anything. Before there is a second thread.
  static Notifier from_environment();

  /// `socket`: a path, "@NAME" for an abstract one, or empty.
  explicit Notifier(std::string socket) : socket_(std::move(socket)) {}

  /// "READY=1", "WATCHDOG=1" … Whether it was sent; it neither blocks nor tries again.
  bool tell(std::string_view word) const;

 private:
  std::string socket_;
};

/// Within what time the manager wants to hear "WATCHDOG=1" of this process or of its parent, by
/// WATCHDOG_USEC and WATCHDOG_PID; nullopt when it does not.
std::optional<std::chrono::microseconds> watchdog_period();

}  // namespace closewatch
