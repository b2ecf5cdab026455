// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace closewatch {

/// A table for a terminal: columns aligned, two spaces between, no spaces at the ends of lines.
class TextTable {
 public:
  enum class Align : std::uint8_t { kLeft, kRight };

  void add_column(std::string head, Align align);
  /// As many cells as there are columns.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  [[nodiscard]] std::string text() const;

 private:
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_ = {{}};  ///< the head first
};

/// A duration for people: "0.4s", "42s", "12m05s", "3h07m", "2d04h".
std::string human(std::chrono::milliseconds duration);

}  // namespace closewatch
