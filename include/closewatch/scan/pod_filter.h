// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Which pods somebody asked for. Empty fields ask for all.
struct PodFilter {
  std::string pod_namespace;
  std::string pod;
  std::optional<TcpState> state;  ///< only pods with sockets in it, or of which that is not known

  /// Whether namespace and name are those asked for.
  [[nodiscard]] bool names(const PodSnapshot& pod_snapshot) const;
  [[nodiscard]] bool matches(const PodSnapshot& pod_snapshot) const;
  /// The states to show.
  [[nodiscard]] std::vector<TcpState> states() const;
};

}  // namespace closewatch
