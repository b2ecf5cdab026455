// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace closewatch {

/// Tab-separated values for programs without a JSON parser, such as a shell: a line of column
/// names, a line for each row, and at last "#end" with the number of rows, so that an answer that
/// was cut does not pass for a whole one. Whatever is in a cell, it stays in its cell.
class TsvTable {
 public:
  explicit TsvTable(const std::vector<std::string>& columns);

  /// As many cells as there are columns.
  void add_row(const std::vector<std::string>& cells);
  /// A line that is no row: '#', what it is, and what it says.
  void add_remark(std::string_view kind, const std::vector<std::string>& cells);

  [[nodiscard]] std::string text() const;

 private:
  void add_line(std::string_view start, const std::vector<std::string>& cells);

  std::string text_;
  std::size_t rows_ = 0;
};

/// Several words as one cell: each made of parts, as in "app/12/7 proxy/0/0". A byte of a part that
/// would end it is a '?'.
class TsvWords {
 public:
  void add(const std::vector<std::string>& parts);

  [[nodiscard]] const std::string& cell() const { return cell_; }

 private:
  std::string cell_;
};

}  // namespace closewatch
