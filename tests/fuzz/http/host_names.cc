// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/host_names.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

/// A list and a Host header, apart by a newline.
void attempt(std::string_view input) {
  const auto end = std::min(input.find('\n'), input.size());
  const auto host = input.substr(std::min(end + 1, input.size()));
  const bool allowed = http::HostNames().allow(host);
  require(!allowed || is_printable(host), "no strange byte is in a name");
  const auto names = http::HostNames::parse(input.substr(0, end));
  if (!names) {
    require(!names.error().what.empty(), "an error says what is wrong");
    return;
  }
  require(!allowed || names->allow(host), "a name more forbids no other");
}

}  // namespace closewatch::fuzz
