// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "closewatch/pods/descriptor_use.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// The descriptors of that process of a container which is nearest to its limit.
struct ContainerDescriptors {
  std::string container;
  std::uint64_t open = 0;
  std::optional<std::uint64_t> limit;  ///< nullopt: unlimited
  pid_t pid = 0;
  std::string comm;
  /// Until the limit is reached at the pace of the last ten minutes; nullopt: it does not grow, or
  /// has not been watched for two minutes.
  std::optional<std::chrono::seconds> time_left;

  [[nodiscard]] double share() const {
    return limit ? static_cast<double>(open) / static_cast<double>(*limit) : 0;
  }
  bool operator==(const ContainerDescriptors&) const = default;
};

/// Whether `a` is in greater need than `b`: less time is left to it, else less of its limit.
bool is_nearer_to_limit(const ContainerDescriptors& a, const ContainerDescriptors& b);

/// Each container once: of those with the same label the one nearer to its limit. By label.
std::vector<ContainerDescriptors> merged_descriptors(std::vector<ContainerDescriptors> containers);

/// A pod's descriptors through its readings: some 500 bytes for each container.
class DescriptorHistory {
 public:
  static constexpr std::size_t kSamples = 20;
  static constexpr std::chrono::minutes kLeastSpan{2};

  DescriptorHistory() : limits_(std::make_shared<DescriptorLimits>()) {}

  /// Takes a reading: of each container of the pod that has a name, or, where none has, of all as
  /// one.
  void observe(std::chrono::steady_clock::time_point now, const Pod& pod,
               std::span<const DescriptorUse> uses);
  /// A reading has failed: nothing is known until the next. `left_behind`: it may still go on.
  void fail(bool left_behind);

  /// Whether it is to be read before it is due: it is new, or a process has ended in mid-read.
  [[nodiscard]] bool is_wanted() const { return wanted_; }
  void want() { wanted_ = true; }
  /// By container; empty when nothing is known.
  [[nodiscard]] const std::vector<ContainerDescriptors>& last() const { return last_; }
  [[nodiscard]] const std::shared_ptr<DescriptorLimits>& limits() const { return limits_; }

 private:
  struct Sample {
    std::chrono::steady_clock::time_point at;
    std::uint64_t open = 0;
  };
  /// Of one process: another one begins anew.
  struct Growth {
    pid_t pid = 0;
    std::uint64_t start_time = 0;
    std::deque<Sample> samples;

    void add(const Sample& sample);
    [[nodiscard]] std::optional<std::chrono::seconds> until(std::uint64_t limit) const;
  };

  std::vector<ContainerDescriptors> last_;
  std::map<std::string, Growth> growth_;  ///< by container
  std::shared_ptr<DescriptorLimits> limits_;
  bool wanted_ = true;
};

}  // namespace closewatch
