// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/text_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace closewatch {

void TextTable::add_column(std::string head, Align align) {
  aligns_.push_back(align);
  rows_.front().push_back(std::move(head));
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths(aligns_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += aligns_[i] == Align::kRight ? fmt::format("{:>{}}", row[i], widths[i])
                                          : fmt::format("{:<{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string human(std::chrono::milliseconds duration) {
  using namespace std::chrono_literals;
  if (duration < 10s) return fmt::format("{:.1f}s", static_cast<double>(duration.count()) / 1e3);
  if (duration < 1min) return fmt::format("{}s", duration / 1s);
  if (duration < 1h) return fmt::format("{}m{:02}s", duration / 1min, duration % 1min / 1s);
  if (duration < 24h) return fmt::format("{}h{:02}m", duration / 1h, duration % 1h / 1min);
  return fmt::format("{}d{:02}h", duration / 24h, duration % 24h / 1h);
}

}  // namespace closewatch
