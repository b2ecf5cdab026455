// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>

#include "closewatch/base/bytes.h"
#include "closewatch/held/held_sockets.h"
#include "held/held_layout.h"

namespace closewatch {

/// What the program tells, piece by piece: bytes in, each socket once out. Knows nothing of the
/// kernel.
class HeldRecords {
 public:
  explicit HeldRecords(std::size_t most = HeldSocketSource::kMost) : most_(most) {}

  /// Any number of bytes: a record may come in two pieces. kOverLimit when there are too many
  /// sockets.
  Result<void> take(Bytes bytes);
  /// All of them; kMalformed when the last record is not whole.
  Result<std::vector<HeldSocket>> result() &&;

 private:
  Result<void> take_record(const held_record& record);

  std::size_t most_;
  std::vector<std::byte> begun_;  ///< of a record whose end has not come yet
  boost::unordered_flat_set<std::uint64_t> seen_;
  std::vector<HeldSocket> sockets_;
};

}  // namespace closewatch
