// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/descriptors.h"

#include <string>

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

void attempt(std::string_view input) {
  const auto limit = parse_descriptor_limit(input);
  if (!limit) return require(is_printable(limit.error().what), "an error is fit for a log");
  const auto soft = *limit ? std::to_string(**limit) : "unlimited";
  const auto again = parse_descriptor_limit("Max open files            " + soft + " 1 files\n");
  require(again && *again == *limit, "parsing what was written gives the same limit");
}

}  // namespace closewatch::fuzz
