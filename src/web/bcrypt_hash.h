// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace closewatch::web {

/// A password's hash by bcrypt, as htpasswd and others write it.
struct BcryptHash {
  int cost = 0;        ///< 2^cost rounds
  std::string salt{};  ///< 22 characters
  std::string hash{};  ///< what follows

  /// "$2y$10$…", as Go's bcrypt reads it: its version tells nothing. nullopt for anything else.
  static std::optional<BcryptHash> parse(std::string_view text);

  /// Whether this is the password's. Takes 70 ms at cost 10, twice that at 11, whoever asks.
  /// Thread-safe.
  [[nodiscard]] bool is_of(const std::string& password) const;
};

}  // namespace closewatch::web
