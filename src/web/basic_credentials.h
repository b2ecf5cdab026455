// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace closewatch::web {

struct BasicCredentials {
  std::string user;
  std::string password;

  /// Of an Authorization header (RFC 7617); nullopt when it has none. Pure.
  static std::optional<BasicCredentials> parse(std::string_view header);
};

}  // namespace closewatch::web
