// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/namespace_filter.h"

#include <algorithm>

#include "closewatch/base/comma_separated.h"

namespace closewatch {
namespace {

constexpr std::size_t kMostPatterns = 256;
constexpr std::size_t kLongestName = 63;  // of a label by RFC 1123, as which Kubernetes takes it

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool is_pattern(std::string_view text) {
  const auto name = text.ends_with('*') ? text.substr(0, text.size() - 1) : text;
  return !text.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

}  // namespace

Result<NamePatterns> NamePatterns::parse(std::string_view list) {
  NamePatterns names;
  for (const auto word : comma_separated(list)) {
    if (!is_pattern(word)) {
      return fail(ErrorKind::kMalformed, "'" + std::string(word) + "' is no namespace");
    }
    if (names.patterns_.size() == kMostPatterns) {
      return fail(ErrorKind::kMalformed,
                  "more than " + std::to_string(kMostPatterns) + " namespaces");
    }
    names.patterns_.emplace_back(word);
  }
  return names;
}

bool NamePatterns::match(std::string_view name) const {
  return std::any_of(patterns_.begin(), patterns_.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == name;
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

}  // namespace closewatch
