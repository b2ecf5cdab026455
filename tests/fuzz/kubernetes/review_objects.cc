// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/review_objects.h"

#include "tests/fuzz/fuzz.h"
#include <boost/json/parse.hpp>

namespace closewatch::fuzz {

/// A byte for whether audiences are wanted, then an answer to either review.
void attempt(std::string_view input) {
  std::vector<std::string> audiences;
  if (take_byte(input) % 2 == 1) audiences.emplace_back("closewatch");
  const auto owner = parse_token_review(input, audiences);
  require(owner || is_printable(owner.error().what), "an error is fit for a log");
  if (owner && *owner) {
    require(!(*owner)->user.empty(), "who is let in has a name");
    const auto asked = access_review(**owner, "/metrics");
    boost::system::error_code error;
    const auto document = boost::json::parse(asked, error);
    require(!error, "what is asked is JSON");
    require(document.at("spec").at("user").as_string() == (*owner)->user,
            "it is asked for whom the token is");
  }
  const auto allowed = parse_access_review(input);
  require(allowed || is_printable(allowed.error().what), "an error is fit for a log");
  require(!allowed || !*allowed || input.find("true") != std::string_view::npos,
          "nobody is allowed what no answer allows");
}

}  // namespace closewatch::fuzz
