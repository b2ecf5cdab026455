// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/tsv_table.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(TsvTable, EndsWithTheNumberOfItsRows) {
  TsvTable table({"pod", "stuck"});
  EXPECT_EQ(table.text(), "pod\tstuck\n#end\t0\n");
  table.add_row({"cart-0", "7"});
  table.add_row({"", ""});
  table.add_remark("total", {"9"});
  EXPECT_EQ(table.text(), "pod\tstuck\ncart-0\t7\n\t\n#total\t9\n#end\t2\n");
}

TEST(TsvTable, KeepsWhateverIsInACellInItsCell) {
  TsvTable table({"pod", "stuck"});
  table.add_row({"a\tb\nc\x1b[31m\x7f\xC3\xA9", "1"});
  table.add_remark("hidden", {"a\tb"});
  EXPECT_EQ(table.text(), "pod\tstuck\na?b?c?[31m???\t1\n#hidden\ta?b\n#end\t1\n");
}

TEST(TsvWords, KeepsEachPartInItsPlace) {
  TsvWords words;
  EXPECT_EQ(words.cell(), "");
  words.add({"app", "1", "2"});
  words.add({"si de/car", "3"});
  EXPECT_EQ(words.cell(), "app/1/2 si?de?car/3");
}

}  // namespace
}  // namespace closewatch
