// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/terminal_text.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace closewatch {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

/// How many bytes the character at `at` has; 0 where there is none that may be shown
/// (RFC 3629, section 4).
std::size_t shown_bytes(std::string_view text, std::size_t at) {
  const auto follows = [&](std::size_t ahead, unsigned least = 0x80, unsigned most = 0xbf) {
    const auto byte = byte_at(text, at + ahead);
    return byte >= least && byte <= most;
  };
  const auto first = byte_at(text, at);
  if (first < 0x80)
    return (first >= ' ' && first != 0x7f) || first == '\n' || first == '\t' ? 1 : 0;
  if (first == 0xc2) return follows(1, 0xa0) ? 2 : 0;  // before these are the controls of C1
  if (first > 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned least = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned most = first == 0xed ? 0x9f : 0xbf;
    return follows(1, least, most) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned least = first == 0xf0 ? 0x90 : 0x80;
    const unsigned most = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, least, most) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string terminal_text(std::string text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto bytes = shown_bytes(text, at);
    if (bytes == 0) text[at] = '?';
    at += bytes == 0 ? 1 : bytes;
  }
  return text;
}

}  // namespace closewatch
