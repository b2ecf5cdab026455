#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>

namespace closewatch::web {

/// What tells one set of words from another, by a key that only this process has ever had.
using Fingerprint = std::array<std::uint8_t, 32>;

/// Which passwords were right, so that each costs one hash: by fingerprint, never as they are. 64
/// at most; the oldest goes. Belongs to one thread.
class RightPasswords {
 public:
  RightPasswords();

  /// Of a user, the hash that the password was compared with, and the password.
  [[nodiscard]] Fingerprint of(std::string_view user, std::string_view hash,
                               std::string_view password) const;
  [[nodiscard]] bool has(const Fingerprint& fingerprint) const;
  void add(const Fingerprint& fingerprint);

 private:
  static constexpr std::size_t kMost = 64;

  Fingerprint key_{};
  std::deque<Fingerprint> right_;
};

}  // namespace closewatch::web
