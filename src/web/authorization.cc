// SPDX-License-Identifier: Apache-2.0
#include "web/authorization.h"

#include <strings.h>

#include <algorithm>

namespace closewatch::web {

std::optional<std::string_view> credentials_by(std::string_view scheme, std::string_view header) {
  const bool is_it = header.size() > scheme.size() + 1 && header[scheme.size()] == ' ' &&
                     ::strncasecmp(header.data(), scheme.data(), scheme.size()) == 0;
  if (!is_it) return std::nullopt;
  header.remove_prefix(scheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  if (header.empty()) return std::nullopt;
  return header;
}

std::optional<std::string_view> bearer_token(std::string_view header) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
  const auto token = credentials_by("bearer", header);
  if (!token) return std::nullopt;
  const auto words = token->substr(0, token->find_last_not_of('=') + 1);
  const bool is_token =
      !words.empty() && words.find_first_not_of(kAlphabet) == std::string_view::npos;
  return is_token ? token : std::nullopt;
}

}  // namespace closewatch::web
