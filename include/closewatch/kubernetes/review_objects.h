// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"

namespace closewatch {

/// Whose a token is, as the API server tells.
struct TokenOwner {
  std::string user;  ///< never empty
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;

  bool operator==(const TokenOwner&) const = default;
};

// The API server's JSON of authentication.k8s.io/v1 and authorization.k8s.io/v1, as values. Whoever
// asks bounds the bytes of an answer. Errors: kMalformed. Pure.

/// A TokenReview that asks whose `token` is. Without audiences it is for the API server itself.
std::string token_review(std::string_view token, std::span<const std::string> audiences);

/// What the API server makes of one; nullopt: the token is nobody's, or for none of `audiences`.
Result<std::optional<TokenOwner>> parse_token_review(std::string_view text,
                                                     std::span<const std::string> audiences);

/// A SubjectAccessReview that asks whether `owner` may get what is at `path`, no resource.
std::string access_review(const TokenOwner& owner, std::string_view path);

/// What the API server makes of one: whether it is allowed.
Result<bool> parse_access_review(std::string_view text);

}  // namespace closewatch
