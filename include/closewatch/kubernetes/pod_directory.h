// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "closewatch/kubernetes/pod_metadata.h"
#include "closewatch/kubernetes/pod_objects.h"

namespace closewatch {

/// The pods that the API server has told of, by the uid that their cgroups carry: their own, or of
/// a static pod's mirror its annotation. Anybody who may create pods can write that annotation, so
/// it never stands against another pod's own uid, and what two pods say is nobody's. Written by the
/// thread that watches, read by the one that scans: thread-safe.
class PodDirectory {
 public:
  /// `changed` is called after each change of what is known, on the thread that writes.
  explicit PodDirectory(std::function<void()> changed = [] {}) : changed_(std::move(changed)) {}

  /// In place of all that was known.
  void replace(std::vector<PodObject> pods);
  /// Error: kOverLimit, where it would be more than kMostPods.
  Result<void> put(PodObject pod);
  void erase(const PodObject& pod);

  /// Whether it follows the API server; if not, why, and what is known stays.
  void set_state(Result<void> state);
  [[nodiscard]] Result<void> state() const;
  /// Whether a state has been set at all.
  [[nodiscard]] bool settled() const;

  [[nodiscard]] std::optional<PodMetadata> find(std::string_view uid) const;
  /// All of them, by uid.
  [[nodiscard]] std::vector<PodObject> pods() const;

 private:
  struct Known {
    std::string config_hash;
    PodMetadata metadata;
  };
  [[nodiscard]] bool knows(const PodObject& pod) const;
  void add(PodObject pod);
  void remove(std::string_view uid);

  std::function<void()> changed_;
  mutable std::mutex mutex_;
  std::map<std::string, Known, std::less<>> pods_;                ///< by uid
  std::multimap<std::string, std::string, std::less<>> mirrors_;  ///< uids, by config hash
  std::optional<Result<void>> state_;
};

}  // namespace closewatch
