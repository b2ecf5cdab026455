// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/kernel/tcp_state.h"
#include "closewatch/metrics/metric_table.h"

namespace closewatch {

/// Which series of pods are left out of the exposition. The default leaves out none.
class MetricFilter {
 public:
  /// Names of metrics of pods, and closewatch_pod_sockets/STATE for those of one state, separated
  /// by commas. What tells which pods there are and which of them were counted cannot be left out.
  /// Errors: kMalformed.
  static Result<MetricFilter> parse(std::string_view list);

  [[nodiscard]] bool leaves_out(Metric metric) const {
    return metrics_.test(static_cast<std::size_t>(metric));
  }
  /// Whether closewatch_pod_sockets lacks this state.
  [[nodiscard]] bool leaves_out(TcpState state) const {
    return states_.test(static_cast<std::size_t>(state));
  }

 private:
  Result<void> add(std::string_view word);

  std::bitset<kMetricCount> metrics_;
  std::bitset<32> states_;
};

}  // namespace closewatch
