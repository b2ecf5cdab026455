// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/text_table.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

TEST(TextTable, AlignsAndLeavesNoSpacesAtTheEnd) {
  TextTable table;
  table.add_column("A", TextTable::Align::kLeft);
  table.add_column("N", TextTable::Align::kRight);
  table.add_column("END", TextTable::Align::kLeft);
  table.add_row({"long", "1", ""});
  table.add_row({"b", "100", "x"});
  EXPECT_EQ(table.text(), "A       N  END\nlong    1\nb     100  x\n");
}

TEST(Human, IsAsPreciseAsAPersonNeeds) {
  EXPECT_EQ(human(0ms), "0.0s");
  EXPECT_EQ(human(1'240ms), "1.2s");
  EXPECT_EQ(human(59'999ms), "59s");
  EXPECT_EQ(human(12min + 5s), "12m05s");
  EXPECT_EQ(human(3h + 7min), "3h07m");
  EXPECT_EQ(human(52h), "2d04h");
}

}  // namespace
}  // namespace closewatch
