// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/listen_address.h"

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

void attempt(std::string_view input) {
  const auto address = http::parse_listen_address(input);
  if (!address) return require(is_printable(address.error().what), "an error is fit for a log");
  require(is_printable(address->host), "an address has no other bytes than an address has");
  const auto again = http::parse_listen_address(http::to_text(*address));
  require(again && *again == *address, "parsing what was written gives the same address");
}

}  // namespace closewatch::fuzz
