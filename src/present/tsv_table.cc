// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/tsv_table.h"

#include <algorithm>

#include "closewatch/base/printable.h"

namespace closewatch {

TsvTable::TsvTable(const std::vector<std::string>& columns) { add_line("", columns); }

void TsvTable::add_row(const std::vector<std::string>& cells) {
  add_line("", cells);
  ++rows_;
}

void TsvTable::add_remark(std::string_view kind, const std::vector<std::string>& cells) {
  add_line("#" + std::string(kind) + "\t", cells);
}

std::string TsvTable::text() const { return text_ + "#end\t" + std::to_string(rows_) + "\n"; }

void TsvTable::add_line(std::string_view start, const std::vector<std::string>& cells) {
  text_ += start;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) text_ += '\t';
    text_ += printable(cells[i]);
  }
  text_ += '\n';
}

void TsvWords::add(const std::vector<std::string>& parts) {
  if (!cell_.empty()) cell_ += ' ';
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) cell_ += '/';
    auto part = parts[i];
    std::replace_if(
        part.begin(), part.end(), [](char c) { return c == ' ' || c == '/'; }, '?');
    cell_ += part;
  }
}

}  // namespace closewatch
