// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/hang_guard.h"
#include "closewatch/base/result.h"
#include "closewatch/pods/descriptor_use.h"
#include "closewatch/scan/pod_histories.h"
#include "closewatch/scan/reading_pace.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Keeps count of the descriptors of all pods at a pace of its own. Belongs to one thread; what
/// touches a pod is done by a guard's.
class DescriptorWatch {
 public:
  DescriptorWatch(DescriptorReader reader, ReadingPace pace)
      : reader_(std::move(reader)), pace_(pace) {}

  /// What a scan has beside.
  struct Scan {
    std::shared_ptr<Snapshot> snapshot;
    PodHistories& histories;
    HangGuard& guard;
    const std::function<bool()>& go_on;
    const Clock& clock;
  };
  /// Gives each visible pod its numbers: new ones when it is time, or the pod is new. Returns how
  /// many pods could not be read now.
  std::size_t update(const Scan& scan);

  [[nodiscard]] const ReadingPace& pace() const { return pace_; }
  /// Why some pods have no numbers, as a sentence for the log; nullopt when all have.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  void read(const Scan& scan, const std::vector<std::size_t>& places);
  void take(const Scan& scan, std::size_t place, const Result<std::vector<DescriptorUse>>& uses);
  void hang(const Scan& scan, std::size_t place);
  void fail(const PodSnapshot& pod, const Error& error);
  std::shared_ptr<const ProcessesByNamespace> find_residents(const Scan& scan);

  DescriptorReader reader_;
  ReadingPace pace_;
  std::optional<Error> error_;
  std::size_t failures_ = 0;  ///< of this update
};

}  // namespace closewatch
