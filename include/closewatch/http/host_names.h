// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"

namespace closewatch::http {

/// The names by which a server may be asked. A page of another site can make a browser ask this
/// server for itself, by a name of that site's which it lets resolve to this address (DNS
/// rebinding), and read the answer: the Host header is what gives it away.
class HostNames {
 public:
  /// NAME or *.SUFFIX each, by commas; empty text for none. Errors: kMalformed.
  static Result<HostNames> parse(std::string_view list);

  /// NAME or *.SUFFIX, in any case; what is neither is left out.
  void add(std::string_view name);

  /// Whether `host`, a Host header (RFC 9110, section 7.2), has one of them, or what no other site
  /// can have as its name: an address, localhost, a name without a dot, as those of pods and
  /// Services in their own namespace, or one below .svc or .svc.cluster.local. O(names).
  [[nodiscard]] bool allow(std::string_view host) const;

 private:
  std::vector<std::string> names_;     ///< in small letters
  std::vector<std::string> suffixes_;  ///< likewise, with their dot
};

}  // namespace closewatch::http
