// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string_view>

namespace closewatch::web {

/// What tells one list of words from another, by a key that only this process has ever had.
using Fingerprint = std::array<std::uint8_t, 32>;

/// Knows passwords and tokens again that were right, by fingerprint, never as they are. 64 at most;
/// the oldest goes. Belongs to one thread.
class Fingerprints {
 public:
  Fingerprints();

  /// Of these words in this order.
  [[nodiscard]] Fingerprint of(std::initializer_list<std::string_view> words) const;
  [[nodiscard]] bool has(const Fingerprint& fingerprint) const;
  void add(const Fingerprint& fingerprint);

 private:
  static constexpr std::size_t kMost = 64;

  Fingerprint key_{};
  std::deque<Fingerprint> known_;
};

}  // namespace closewatch::web
