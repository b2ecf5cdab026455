// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/message.h"

#include "closewatch/base/printable.h"

namespace closewatch::http {

std::string text_of(const Response& response) {
  return (response.front == nullptr ? "" : response.front->text()) + response.body;
}

std::string first_line(const Response& response) {
  constexpr std::size_t kMost = 300;
  const auto line = response.body.substr(0, response.body.find('\n'));
  return printable(line.substr(0, kMost));
}

}  // namespace closewatch::http
