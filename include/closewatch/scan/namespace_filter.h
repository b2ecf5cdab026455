// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"

namespace closewatch {

/// Namespaces by name: "shop", or "preview-*" for all that begin so.
class NamePatterns {
 public:
  /// Names separated by commas; blanks around them do not matter. Errors: kMalformed.
  static Result<NamePatterns> parse(std::string_view list);

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  [[nodiscard]] bool match(std::string_view name) const;

 private:
  std::vector<std::string> patterns_;
};

/// Of which namespaces pods are counted. The default counts all.
struct NamespaceFilter {
  NamePatterns include;  ///< empty: all
  NamePatterns exclude;  ///< of those

  [[nodiscard]] bool leaves_out(std::string_view pod_namespace) const {
    return (!include.empty() && !include.match(pod_namespace)) || exclude.match(pod_namespace);
  }
};

}  // namespace closewatch
