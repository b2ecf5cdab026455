// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// What the kernel counts of TCP in each network namespace, as far as it says something of
/// connections that fail. In the order in which they are told.
enum class TcpEvent : std::uint8_t {
  kListenOverflows,
  kListenDrops,
  kRetransmissionTimeouts,
  kFailedAttempts,
  kEstablishedResets,
  kResetsSent,
  kSynRetransmissions,
  kRetransmittedSegments,
  kAbortsOnClose,
  kAbortsOnData,
  kAbortsOnTimeout,
  kAbortsOnLinger,
  kAbortsOnMemory,
  kEmbryonicResets,
  kSynQueueDrops,
  kSynCookiesSent,
  kKeepaliveProbes,
  kTimeWaitOverflows,
  kBacklogDrops,
  kReceiveQueueDrops,
  kActiveOpens,
  kPassiveOpens,
  kSegmentsReceived,
  kSegmentsSent,
};
inline constexpr std::size_t kTcpEventCount = 24;

/// Every event, in that order.
inline constexpr auto kTcpEvents = [] {
  std::array<TcpEvent, kTcpEventCount> events{};
  for (std::size_t i = 0; i < kTcpEventCount; ++i) events.at(i) = static_cast<TcpEvent>(i);
  return events;
}();

/// In which file of a namespace a counter stands.
enum class TcpCounterFile : std::uint8_t { kNetstat, kSnmp };
inline constexpr std::array kTcpCounterFiles = {TcpCounterFile::kNetstat, TcpCounterFile::kSnmp};

struct TcpEventDescription {
  std::string_view name;  ///< the label's value, and what the configuration takes
  TcpCounterFile file;
  std::string_view counter;  ///< the kernel's own name for it
  std::string_view help;
};
const TcpEventDescription& describe(TcpEvent event);

/// docs/metrics.md's table, so that it cannot tell anything else than the code.
std::string tcp_event_table_markdown();

/// Which events are wanted. The default is none.
class TcpEventSet {
 public:
  /// Names by commas; none of "". kMalformed for a name that is not known, with all that are.
  static Result<TcpEventSet> parse(std::string_view list);

  void add(TcpEvent event) { events_.set(static_cast<std::size_t>(event)); }
  [[nodiscard]] bool has(TcpEvent event) const {
    return events_.test(static_cast<std::size_t>(event));
  }
  [[nodiscard]] bool any() const { return events_.any(); }
  /// Whether any of them stands in `file`.
  [[nodiscard]] bool any_in(TcpCounterFile file) const;

  bool operator==(const TcpEventSet&) const = default;

 private:
  std::bitset<kTcpEventCount> events_;
};

/// How often each event has happened, as far as somebody knows.
class TcpEventCounts {
 public:
  [[nodiscard]] std::optional<std::uint64_t> of(TcpEvent event) const {
    return counts_.at(static_cast<std::size_t>(event));
  }
  void set(TcpEvent event, std::uint64_t count) {
    counts_.at(static_cast<std::size_t>(event)) = count;
  }
  /// What is not known of one of two has no sum.
  void add(const TcpEventCounts& other);
  /// Whether some count is lower than in `before`.
  [[nodiscard]] bool falls_below(const TcpEventCounts& before) const;
  /// Whether nothing has happened, as far as is known.
  [[nodiscard]] bool is_zero() const;

  bool operator==(const TcpEventCounts&) const = default;

 private:
  std::array<std::optional<std::uint64_t>, kTcpEventCount> counts_{};
};

}  // namespace closewatch
