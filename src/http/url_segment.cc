// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/url_segment.h"

#include <fmt/format.h>

namespace closewatch::http {
namespace {

/// Without "." and "~", which are unreserved too: a segment "." or ".." would be a step.
constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string url_segment(std::string_view text) {
  const bool is_step = text == "." || text == "..";
  std::string segment;
  for (const char c : text) {
    const bool plain = kUnreserved.find(c) != std::string_view::npos || (c == '.' && !is_step);
    segment += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return segment;
}

}  // namespace closewatch::http
