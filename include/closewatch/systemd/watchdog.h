// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "closewatch/systemd/notifier.h"

namespace boost::asio {
class io_context;
}

namespace closewatch {

/// Tells the service manager that the service lives, twice in each period, as long as it does: from
/// the thread of `context`, so that a thread that hangs there ends the service as well. What is
/// given must outlive it.
class Watchdog {
 public:
  Watchdog(boost::asio::io_context& context, const Notifier& manager,
           std::chrono::microseconds period, std::function<bool()> alive);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  Watchdog(Watchdog&&) = delete;
  Watchdog& operator=(Watchdog&&) = delete;
  ~Watchdog();

 private:
  class Beat;
  std::unique_ptr<Beat> beat_;
};

}  // namespace closewatch
