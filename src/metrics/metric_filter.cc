// SPDX-License-Identifier: Apache-2.0
#include "closewatch/metrics/metric_filter.h"

#include <algorithm>
#include <array>
#include <string>

#include "closewatch/base/comma_separated.h"

namespace closewatch {
namespace {

constexpr std::array kCanBeLeftOut = {
    Metric::kPodSockets,           Metric::kCloseWait,          Metric::kCloseWaitStuck,
    Metric::kCloseWaitOldest,      Metric::kCloseWaitUnread,    Metric::kCloseWaitEntered,
    Metric::kCloseWaitLeft,        Metric::kCloseWaitPeer,      Metric::kCloseWaitOwner,
    Metric::kListenBacklogSockets, Metric::kListenBacklogLimit, Metric::kClosedHeld,
    Metric::kClosedHeldEntered,    Metric::kDescriptorsOpen,    Metric::kDescriptorsLimit,
    Metric::kCloseWaitLeftClosed,  Metric::kCloseWaitLeftHeld,  Metric::kClosedHeldOwner,
    Metric::kPodTcpEvents};

}  // namespace

Result<MetricFilter> MetricFilter::parse(std::string_view list) {
  MetricFilter filter;
  for (const auto word : comma_separated(list)) {
    if (auto added = filter.add(word); !added) return tl::unexpected(added.error());
  }
  return filter;
}

Result<void> MetricFilter::add(std::string_view word) {
  const auto slash = word.find('/');
  const auto name = word.substr(0, slash);
  const auto* const metric =
      std::find_if(kCanBeLeftOut.begin(), kCanBeLeftOut.end(),
                   [&](Metric known) { return describe(known).name == name; });
  if (metric == kCanBeLeftOut.end()) {
    return fail(ErrorKind::kMalformed,
                "'" + std::string(word) + "' is no metric that can be left out");
  }
  if (slash == std::string_view::npos) {
    metrics_.set(static_cast<std::size_t>(*metric));
    return {};
  }
  const auto* const state = std::find_if(kTcpStates.begin(), kTcpStates.end(), [&](TcpState known) {
    return name_of(known) == word.substr(slash + 1);
  });
  if (*metric != Metric::kPodSockets || state == kTcpStates.end()) {
    return fail(ErrorKind::kMalformed, "'" + std::string(word) + "' is no state of " +
                                           std::string(describe(Metric::kPodSockets).name));
  }
  states_.set(static_cast<std::size_t>(*state));
  return {};
}

}  // namespace closewatch
