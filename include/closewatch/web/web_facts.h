// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace closewatch::web {

/// Why somebody was not let in.
enum class Refusal : std::uint8_t {
  kHandshake,    ///< TLS could not be agreed on, or the certificate is not right
  kCredentials,  ///< no user's name and password, nor anybody's token
  kTooOften,     ///< wrong too often to be looked at
  kBusy,         ///< too many passwords or tokens are being looked at
  kRateLimit,    ///< more requests than the file lets in
  kForbidden,    ///< the token's owner may not get that path
  kNotReviewed,  ///< the API server has not said whose the token is, or what its owner may
};
inline constexpr std::size_t kRefusalCount = 7;
inline constexpr std::array<std::string_view, kRefusalCount> kRefusalNames = {
    "handshake", "credentials", "too_often", "busy", "rate_limit", "forbidden", "not_reviewed"};

/// What is told of a web configuration file.
struct WebFileFacts {
  bool is_current;  ///< whether the file was right when it was last read
  std::chrono::system_clock::time_point loaded_at;  ///< of what is in force
};

/// What is told of who was let in.
struct WebFacts {
  std::optional<WebFileFacts> file{};  ///< nullopt: there is none
  std::array<std::uint64_t, kRefusalCount> refused{};
};

}  // namespace closewatch::web
