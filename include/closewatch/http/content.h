// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "closewatch/http/gzip.h"

namespace closewatch::http {

/// A text that is in memory once, however many answers it is part of, and packed once when the
/// first asks for that. Belongs to one thread.
class Content {
 public:
  explicit Content(std::string text) : text_(std::move(text)) { text_.shrink_to_fit(); }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const PackedFront& packed() const {
    if (!packed_) packed_ = pack_front(text_);
    return *packed_;
  }
  /// In memory.
  [[nodiscard]] std::size_t size() const {
    return text_.size() + (packed_ ? packed_->bytes.size() : 0);
  }

 private:
  std::string text_;
  mutable std::optional<PackedFront> packed_;
};

}  // namespace closewatch::http
