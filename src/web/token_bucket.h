// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

#include "web/web_settings.h"

namespace closewatch::web {

/// One request in each interval, and as many at once as its burst.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  TokenBucket(const RateLimit& limit, Time now) : limit_(limit), left_(limit.burst), since_(now) {}

  /// Whether there is one, which is gone then. Always without an interval.
  bool take(Time now) {
    if (limit_.interval.count() == 0) return true;
    const std::chrono::duration<double> passed = now - since_;
    const std::chrono::duration<double> interval = limit_.interval;
    left_ = std::min<double>(limit_.burst, left_ + passed / interval);
    since_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }

 private:
  RateLimit limit_;
  double left_;
  Time since_;
};

}  // namespace closewatch::web
