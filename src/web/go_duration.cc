// SPDX-License-Identifier: Apache-2.0
#include "web/go_duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace closewatch::web {
namespace {

/// In nanoseconds; takes the unit off `text`. The longer of two that begin alike comes first.
std::optional<double> take_unit(std::string_view& text) {
  static constexpr std::array<std::pair<std::string_view, double>, 8> kUnits = {{{"ns", 1},
                                                                                 {"us", 1e3},
                                                                                 {"\u00b5s", 1e3},
                                                                                 {"\u03bcs", 1e3},
                                                                                 {"ms", 1e6},
                                                                                 {"s", 1e9},
                                                                                 {"m", 6e10},
                                                                                 {"h", 3.6e12}}};
  for (const auto& [name, nanoseconds] : kUnits) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return nanoseconds;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  constexpr double kMost = 9.2e18;  // what 63 bits hold
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const bool is_number = (text[0] >= '0' && text[0] <= '9') || text[0] == '.';
    double number = 0;
    const auto parsed =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (!is_number || parsed.ec != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    const auto unit = take_unit(text);
    if (!unit) return std::nullopt;
    sum += number * *unit;
  }
  if (sum > kMost) return std::nullopt;
  const auto whole = static_cast<std::int64_t>(std::llround(sum));
  return std::chrono::nanoseconds(is_negative ? -whole : whole);
}

}  // namespace closewatch::web
