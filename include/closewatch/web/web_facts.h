#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace closewatch::web {

/// Why somebody was not let in.
enum class Refusal : std::uint8_t {
  kHandshake,    ///< TLS could not be agreed on, or the certificate is not right
  kCredentials,  ///< no user's name and password
  kTooOften,     ///< wrong too often to be looked at
  kBusy,         ///< too many passwords are being looked at
  kRateLimit,    ///< more requests than the file lets in
};
inline constexpr std::size_t kRefusalCount = 5;
inline constexpr std::array<std::string_view, kRefusalCount> kRefusalNames = {
    "handshake", "credentials", "too_often", "busy", "rate_limit"};

/// What is told of a web configuration file and what it did.
struct WebFacts {
  bool is_current;  ///< whether the file was right when it was last read
  std::chrono::system_clock::time_point loaded_at;  ///< of what is in force
  std::array<std::uint64_t, kRefusalCount> refused{};
};

}  // namespace closewatch::web
