// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "closewatch/base/seconds.h"

namespace closewatch {

/// When to read what need not be read in each scan. Like scans, it is put off when it costs more
/// than its share of a core. A value.
class ReadingPace {
 public:
  /// What it should rather cost, where that does not put it off for longer than this.
  struct Thrift {
    double share;
    std::chrono::nanoseconds longest;
  };
  /// `share`: CPU seconds per second that it may cost.
  ReadingPace(std::chrono::nanoseconds interval, double share,
              std::optional<Thrift> thrift = std::nullopt)
      : interval_(interval), share_(share), thrift_(thrift) {}

  [[nodiscard]] bool is_due(std::chrono::steady_clock::time_point now) const {
    return !last_ || now - *last_ >= wait_ - kSlack;
  }
  /// It was read at `now`, for so much CPU time.
  void read(std::chrono::steady_clock::time_point now, std::chrono::nanoseconds cpu) {
    last_ = now;
    cpu_ = cpu;
    wait_ = std::max(interval_, due(share_));
    if (thrift_) wait_ = std::max(wait_, std::min(due(thrift_->share), thrift_->longest));
  }
  /// CPU seconds per second that it costs at this pace.
  [[nodiscard]] double rate() const {
    return wait_.count() == 0
               ? 0
               : static_cast<double>(cpu_.count()) / static_cast<double>(wait_.count());
  }
  [[nodiscard]] std::chrono::nanoseconds wait() const { return wait_; }

 private:
  /// Scans begin a moment earlier or later than every so many seconds.
  static constexpr std::chrono::seconds kSlack{1};

  /// In whole seconds.
  [[nodiscard]] std::chrono::nanoseconds due(double share) const {
    return std::chrono::ceil<std::chrono::seconds>(
        std::chrono::duration<double>(seconds(cpu_) / share));
  }

  std::chrono::nanoseconds interval_;
  double share_;
  std::optional<Thrift> thrift_;
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::chrono::nanoseconds cpu_{};
  std::chrono::nanoseconds wait_{};
};

}  // namespace closewatch
