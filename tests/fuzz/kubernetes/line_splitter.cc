#include "closewatch/kubernetes/line_splitter.h"

#include <algorithm>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {
namespace {

constexpr std::size_t kLimit = 64;

struct Lines {
  std::vector<std::string> complete;
  bool failed = false;
};

Lines split(std::string_view stream, std::size_t step) {
  LineSplitter splitter(kLimit);
  Lines lines;
  while (!stream.empty() && !lines.failed) {
    const auto piece = stream.substr(0, step);
    stream.remove_prefix(piece.size());
    lines.failed = !splitter.feed(piece, [&](std::string_view line) -> Result<void> {
      lines.complete.emplace_back(line);
      return {};
    });
  }
  return lines;
}

}  // namespace

/// A byte for the size of the pieces, then the stream.
void attempt(std::string_view input) {
  const std::size_t step = take_byte(input) + std::size_t{1};
  const auto whole = split(input, std::max<std::size_t>(input.size(), 1));
  const auto pieces = split(input, step);
  require(whole.failed == pieces.failed, "a line is too long however it comes");
  require(whole.complete == pieces.complete, "the same lines however they come");
  for (const auto& line : whole.complete) {
    require(!line.empty() && line.size() <= kLimit && line.find('\n') == std::string::npos,
            "a line is one line");
  }
}

}  // namespace closewatch::fuzz
