// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/backoff.h"

#include <algorithm>

namespace closewatch {

std::chrono::milliseconds Backoff::after_failure() {
  const auto bound = next_.count();
  next_ = std::min(2 * next_, most_);
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::chrono::milliseconds::rep>(bound / 2, bound)(random_));
}

}  // namespace closewatch
