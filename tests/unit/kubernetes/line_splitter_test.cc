#include "closewatch/kubernetes/line_splitter.h"

#include <vector>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using Lines = std::vector<std::string>;

/// The lines of a text that comes in pieces of so many bytes.
Lines split(const std::string& text, std::size_t piece) {
  LineSplitter splitter(100);
  Lines lines;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto fed = splitter.feed(std::string_view(text).substr(at, piece),
                                   [&](std::string_view line) -> Result<void> {
                                     lines.emplace_back(line);
                                     return {};
                                   });
    EXPECT_TRUE(fed) << fed.error().what;
  }
  return lines;
}

TEST(LineSplitter, FindsTheSameLinesHoweverTheyAreCut) {
  for (std::size_t piece = 1; piece < 20; ++piece) {
    EXPECT_EQ(split("one\n\ntwo\nthree, begun", piece), (Lines{"one", "two"})) << piece;
  }
}

TEST(LineSplitter, RefusesALineThatIsTooLong) {
  for (const auto* const end : {"", "\n"}) {
    LineSplitter splitter(10);
    const auto ignore = [](std::string_view) -> Result<void> { return {}; };
    EXPECT_TRUE(splitter.feed("0123456789", ignore));
    EXPECT_FALSE(splitter.feed(std::string("x") + end, ignore));
  }
}

TEST(LineSplitter, StopsAtTheFirstLineThatFails) {
  LineSplitter splitter(100);
  Lines lines;
  const auto fed = splitter.feed("a\nb\nc\n", [&](std::string_view line) -> Result<void> {
    lines.emplace_back(line);
    if (line == "b") return fail(ErrorKind::kMalformed, "no");
    return {};
  });
  EXPECT_FALSE(fed);
  EXPECT_EQ(lines, (Lines{"a", "b"}));
}

TEST(LineSplitter, ForgetsWhatHasBegun) {
  LineSplitter splitter(100);
  Lines lines;
  const auto keep = [&](std::string_view line) -> Result<void> {
    lines.emplace_back(line);
    return {};
  };
  ASSERT_TRUE(splitter.feed("half", keep));
  splitter.clear();
  ASSERT_TRUE(splitter.feed("whole\n", keep));
  EXPECT_EQ(lines, Lines{"whole"});
}

}  // namespace
}  // namespace closewatch
