// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "tests/support/engine_under_test.h"

#include "app/make_scanner.h"
#include "closewatch/base/clock.h"
#include "closewatch/scan/scanner.h"
#include "closewatch/settings/option_table.h"

namespace closewatch::testing {

/// The agent's own scanner over this machine's network namespaces, as `closewatch scan` uses it.
class AgentScanner {
 public:
  explicit AgentScanner(PodDiscovery discovery = PodDiscovery::kStandalone)
      : AgentScanner(config_for(discovery)) {}
  /// `clock` must outlive it; without one time is as it is.
  explicit AgentScanner(const Config& config, const Clock* clock = nullptr,
                        const SourceMaker& make_source = make_another) {
    auto made = make_scanner(config, clock == nullptr ? clock_ : *clock, nullptr, Scans::kMany,
                             make_source);
    if (!made) throw std::runtime_error(made.error().what);
    if (!made->remarks.empty()) throw std::runtime_error(made->remarks.front());
    scanner_ = std::move(made->scanner);
  }

  static Config config_for(PodDiscovery discovery) {
    auto config = default_config();
    config.pods.discovery = discovery;
    config.scan.cpu_budget = 1;             // whatever a sanitizer takes, nothing is put off
    config.diagnosis.held_sockets = false;  // to load a program for it takes a while
    for (const auto& option : option_table()) {
      if (option.name == "scan.engine") (void)option.set(config, engine_under_test());
    }
    return config;
  }

  const Snapshot& scan() {
    snapshot_ = scanner_->scan([] { return true; });
    return *snapshot_;
  }

  [[nodiscard]] const Snapshot& last() const { return *snapshot_; }

  /// The pod of the namespace called `name` in the last scan; nullptr when it is not there.
  [[nodiscard]] const PodSnapshot* last_pod(const std::string& name) const {
    for (const auto& pod : snapshot_->pods) {
      if (pod.name == name) return &pod;
    }
    return nullptr;
  }

  /// Throws when the pod was not visible in the last scan.
  [[nodiscard]] const PodSnapshot& last_visible(const std::string& name) const {
    const auto* const pod = last_pod(name);
    if (pod == nullptr) throw std::runtime_error("no pod " + name);
    if (pod->visibility != Visibility::kVisible)
      throw std::runtime_error(name + ": " + pod->detail);
    return *pod;
  }
  [[nodiscard]] const SocketSums& last_sums_of(const std::string& name) const {
    return last_visible(name).sums;
  }

  /// After a scan of its own. Throws when the pod is not visible.
  const SocketSums& sums_of(const std::string& name) {
    scan();
    return last_sums_of(name);
  }
  const Diagnosis& diagnosis_of(const std::string& name) {
    scan();
    return last_visible(name).diagnosis;
  }

 private:
  SystemClock clock_;
  std::unique_ptr<Scanner> scanner_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace closewatch::testing
