// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/terminal_text.h"

#include <gtest/gtest.h>

namespace closewatch {
namespace {

TEST(TerminalText, KeepsWhatIsText) {
  for (const std::string text : {"", "a\tb\n", "caf\xc3\xa9 \xe2\x80\xa6 \xf0\x9f\x90\x88",
                                 "\xc2\xa0", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(terminal_text(text), text);
  }
}

TEST(TerminalText, ShowsNoControlCharacter) {
  EXPECT_EQ(terminal_text("\x1b[2J\r\a\b\x7f"), "?[2J????");
  EXPECT_EQ(terminal_text(std::string("\0", 1)), "?");
  EXPECT_EQ(terminal_text("\xc2\x9b"
                          "31m \x9b"
                          "31m"),
            "??31m ?31m");
}

TEST(TerminalText, ShowsNoByteThatIsNoUtf8) {
  for (const auto* const text : {"\xff", "\xc0", "\x80", "\xc3", "\xe2\x80", "\xf0\x9f\x90"}) {
    EXPECT_EQ(terminal_text(text), std::string(std::string(text).size(), '?'));
  }
  EXPECT_EQ(terminal_text("\xc0\xafx"), "??x");            // too long a form
  EXPECT_EQ(terminal_text("\xed\xa0\x80x"), "???x");       // half of a pair
  EXPECT_EQ(terminal_text("\xf4\x90\x80\x80x"), "????x");  // beyond Unicode
  EXPECT_EQ(terminal_text("\xe2(\xa1"), "?(?");
}

}  // namespace
}  // namespace closewatch
