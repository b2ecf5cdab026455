// SPDX-License-Identifier: Apache-2.0
#include "closewatch/systemd/watchdog.h"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace closewatch {

class Watchdog::Beat {
 public:
  Beat(boost::asio::io_context& context, const Notifier& manager, std::chrono::microseconds period,
       std::function<bool()> alive)
      : timer_(context), manager_(manager), half_(period / 2), alive_(std::move(alive)) {}

  void beat() {
    if (alive_()) manager_.tell("WATCHDOG=1");
    timer_.expires_after(half_);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) beat();
    });
  }

 private:
  boost::asio::steady_timer timer_;
  const Notifier& manager_;
  std::chrono::microseconds half_;
  std::function<bool()> alive_;
};

Watchdog::Watchdog(boost::asio::io_context& context, const Notifier& manager,
                   std::chrono::microseconds period, std::function<bool()> alive)
    : beat_(std::make_unique<Beat>(context, manager, period, std::move(alive))) {
  beat_->beat();
}

Watchdog::~Watchdog() = default;

}  // namespace closewatch
