// SPDX-License-Identifier: Apache-2.0
#include "web/basic_credentials.h"

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

/// A header as a client sends it.
void attempt(std::string_view input) {
  const auto found = web::BasicCredentials::parse(input);
  if (!found) return;
  require(found->user.find(':') == std::string::npos, "a user's name has no colon");
  require(found->user.size() + found->password.size() < input.size(),
          "base64 makes no bytes of nothing");
}

}  // namespace closewatch::fuzz
