// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace closewatch::http {

/// The beginning of a stream in gzip's format (RFC 1952) that can end in several ways.
struct PackedFront {
  std::string bytes;  ///< empty when zlib has failed, which it does for lack of memory only
  std::uint32_t checksum = 0;  ///< of the text
  std::uint32_t size = 0;      ///< of the text, modulo 2^32
};

/// At the level that is cheapest.
PackedFront pack_front(std::string_view text);

/// What makes one whole stream of `front` and itself, whose text is that of the front and `text`.
/// Empty when zlib fails.
std::string pack_end(const PackedFront& front, std::string_view text);

}  // namespace closewatch::http
