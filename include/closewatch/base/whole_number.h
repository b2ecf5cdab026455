// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace closewatch {

/// The whole number that `text` begins with, which is taken off it; "-" stands before negative ones
/// of signed types, and nothing else before any. nullopt, and `text` as it was, where there is none
/// or it does not fit. Pure.
template <std::integral Number>
std::optional<Number> take_number(std::string_view& text, int base = 10) {
  Number number{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (parsed.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return number;
}

/// The same where nothing may follow it.
template <std::integral Number>
std::optional<Number> whole_number(std::string_view text, int base = 10) {
  const auto number = take_number<Number>(text, base);
  return text.empty() ? number : std::nullopt;
}

}  // namespace closewatch
