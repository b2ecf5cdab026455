// SPDX-License-Identifier: Apache-2.0
#include "closewatch/top/top_screen.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_clock.h"

#include "closewatch/api/snapshot_json_reader.h"
#include "closewatch/present/snapshot_table.h"

namespace closewatch::fuzz {
namespace {

constexpr std::size_t kPresses = 8;

void require_screen(TopScreen& screen, std::size_t width, const Clock& clock) {
  constexpr std::size_t kHeight = 24;
  const auto lines = screen.lines(width, kHeight, clock.steady_now());
  require(lines.size() == kHeight, "a screen is as high as the terminal");
  for (const auto& line : lines) {
    require(is_printable(line.text), "a line cannot move the cursor");
    require(line.text.size() <= width, "a line is not wider than the terminal");
  }
}

/// What goes into a pipe, and from there perhaps to a terminal.
void require_table(const Snapshot& snapshot) {
  auto table = snapshot_table(snapshot, {});
  std::replace(table.begin(), table.end(), '\n', ' ');
  require(is_printable(table), "a table cannot move the cursor");
}

}  // namespace

/// Keys, the screen's width, then what somebody on the agent's address answers to both of top's
/// questions.
void attempt(std::string_view input) {
  const testing::FakeClock clock;
  const auto keys = input.substr(0, kPresses);
  input.remove_prefix(keys.size());
  const std::size_t width = take_byte(input);
  TopScreen screen("fuzz");
  auto snapshot = read_snapshot_json(input, clock);
  if (snapshot) {
    require_table(*snapshot);
    screen.show(std::make_shared<const Snapshot>(std::move(*snapshot)));
  } else {
    screen.complain(snapshot.error().what);
  }
  require_screen(screen, width, clock);
  for (const char key : keys) {
    const auto code = static_cast<unsigned char>(key);
    screen.press(code <= static_cast<unsigned char>(TopKey::kErase)
                     ? TopPress{static_cast<TopKey>(code), 0}
                     : TopPress{TopKey::kCharacter, key});
    require_screen(screen, width, clock);
    if (!screen.open_pod()) continue;
    screen.show_sockets(read_listing_json(input));
    require_screen(screen, width, clock);
  }
}

}  // namespace closewatch::fuzz
