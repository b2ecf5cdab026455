// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace closewatch::web {

/// What an Authorization header has after the name of `scheme`, which is in small letters (RFC
/// 9110, section 11.4); nullopt when it is of another, or has nothing. Pure.
std::optional<std::string_view> credentials_by(std::string_view scheme, std::string_view header);

/// The token of an Authorization header (RFC 6750, section 2.1); nullopt when it has none. Pure.
std::optional<std::string_view> bearer_token(std::string_view header);

}  // namespace closewatch::web
