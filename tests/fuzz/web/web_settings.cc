// SPDX-License-Identifier: Apache-2.0
#include "web/web_settings.h"

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

/// A file as somebody might have broken it.
void attempt(std::string_view input) {
  const auto parsed = web::parse_web_settings(input, "fuzz.yml");
  for (const auto& lines : {parsed.mistakes, parsed.remarks}) {
    for (const auto& line : lines) {
      require(line.starts_with("fuzz.yml"), "a line says of which file it is");
      require(is_printable(line), "it is one line");
    }
  }
  if (!parsed.mistakes.empty()) return;
  for (const auto& [name, value] : parsed.settings.headers) {
    require(value.find_first_of("\r\n") == std::string::npos, "a header is one line");
  }
  const auto& limit = parsed.settings.rate_limit;
  require(limit.interval.count() >= 0, "no interval is negative");
  require(limit.interval.count() == 0 || limit.burst > 0, "some request is let in");
}

}  // namespace closewatch::fuzz
