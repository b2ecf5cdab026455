// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace closewatch {

using Bytes = std::span<const std::byte>;

/// Copies a `T` in host byte order from the start of `bytes`; nullopt when they are too few. The
/// copy makes any alignment valid.
template <typename T>
requires std::is_trivially_copyable_v<T> std::optional<T> read_as(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace closewatch
