// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/gzip.h"

#include <zlib.h>

#include <array>

namespace closewatch::http {
namespace {

// No time, no name, made on Unix (RFC 1952, section 2.3).
constexpr std::string_view kGzipHeader("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);

/// Adds `text` to `packed`; with Z_FULL_FLUSH it ends at a byte's border, and what follows refers
/// to nothing before. Whether it could.
bool deflate_onto(std::string& packed, std::string_view text, int flush) {
  constexpr int kMemoryLevel = 8;  // zlib's default
  constexpr std::size_t kPackedAtOnce = 16U << 10U;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return false;
  }
  // zlib's interface is not const, but it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  std::array<char, kPackedAtOnce> piece{};
  int result = Z_OK;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = kPackedAtOnce;
    result = deflate(&stream, flush);
    packed.append(piece.data(), kPackedAtOnce - stream.avail_out);
  } while (result == Z_OK && stream.avail_out == 0);
  deflateEnd(&stream);
  return result == (flush == Z_FINISH ? Z_STREAM_END : Z_OK) || result == Z_BUF_ERROR;
}

std::uint32_t checksum_of(std::string_view text) {
  return static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

void append_little_endian(std::string& bytes, std::uint32_t number) {
  constexpr unsigned kByteMask = 0xff;
  for (const unsigned shift : {0U, 8U, 16U, 24U}) {
    bytes += static_cast<char>((number >> shift) & kByteMask);
  }
}

}  // namespace

PackedFront pack_front(std::string_view text) {
  PackedFront front{std::string(kGzipHeader), checksum_of(text),
                    static_cast<std::uint32_t>(text.size())};
  if (!text.empty() && !deflate_onto(front.bytes, text, Z_FULL_FLUSH)) return {};
  front.bytes.shrink_to_fit();  // it may be kept
  return front;
}

std::string pack_end(const PackedFront& front, std::string_view text) {
  std::string end;
  if (!deflate_onto(end, text, Z_FINISH)) return {};
  append_little_endian(
      end, static_cast<std::uint32_t>(::crc32_combine(front.checksum, checksum_of(text),
                                                      static_cast<z_off_t>(text.size()))));
  append_little_endian(end, front.size + static_cast<std::uint32_t>(text.size()));
  return end;
}

}  // namespace closewatch::http
