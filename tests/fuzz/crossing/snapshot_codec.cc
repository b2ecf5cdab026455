// SPDX-License-Identifier: Apache-2.0
#include "closewatch/crossing/snapshot_codec.h"

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

void attempt(std::string_view input) {
  const auto snapshot = crossing::decode_snapshot(input);
  if (!snapshot) return require(is_printable(snapshot.error().what), "an error is fit for a log");
  const auto written = crossing::encode_snapshot(**snapshot);
  const auto again = crossing::decode_snapshot(written);
  require(again.has_value(), "what was written can be read");
  require(crossing::encode_snapshot(**again) == written, "and is the same again");
}

}  // namespace closewatch::fuzz
