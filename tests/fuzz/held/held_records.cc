// SPDX-License-Identifier: Apache-2.0
#include "held/held_records.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {
namespace {

Result<std::vector<HeldSocket>> all_of(Bytes bytes, std::size_t piece) {
  HeldRecords records(16);
  while (!bytes.empty()) {
    const auto size = std::min(piece, bytes.size());
    if (auto taken = records.take(bytes.first(size)); !taken) return tl::unexpected(taken.error());
    bytes = bytes.subspan(size);
  }
  return std::move(records).result();
}

}  // namespace

/// The first byte says in what pieces the others come.
void attempt(std::string_view input) {
  if (input.empty()) return;
  const auto piece = std::size_t{1} + static_cast<unsigned char>(input.front());
  const auto bytes = std::as_bytes(std::span(input.substr(1)));
  const auto whole = all_of(bytes, std::max<std::size_t>(bytes.size(), 1));
  const auto pieces = all_of(bytes, piece);
  require(whole.has_value() == pieces.has_value(), "pieces do not matter");
  if (!whole) return require(is_printable(whole.error().what), "an error is fit for a log");
  require(whole->size() == pieces->size(), "pieces make no socket");
  for (std::size_t i = 0; i < whole->size(); ++i) {
    require((*whole)[i].row.cookie == (*pieces)[i].row.cookie, "pieces make no other socket");
    require(is_printable((*whole)[i].comm), "a name is fit for a label");
  }
}

}  // namespace closewatch::fuzz
