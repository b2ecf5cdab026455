// SPDX-License-Identifier: Apache-2.0
#include "closewatch/api/snapshot_json_reader.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_clock.h"

#include "api/snapshot_tsv.h"
#include "closewatch/api/snapshot_json.h"

namespace closewatch::fuzz {
namespace {

/// A table's lines have as many cells as its first.
void require_table(std::string_view text) {
  const auto cells = [](std::string_view line) {
    return std::count(line.begin(), line.end(), '\t');
  };
  const auto columns = cells(text.substr(0, text.find('\n')));
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    require(line.size() < text.size(), "a line has an end");
    require(line.starts_with('#') || cells(line) == columns, "what is in a cell stays in its cell");
    text.remove_prefix(line.size() + 1);
  }
}

void require_snapshot(std::string_view input, const Clock& clock) {
  const auto snapshot = read_snapshot_json(input, clock);
  if (!snapshot) return require(is_printable(snapshot.error().what), "an error is fit for a log");
  const auto written = snapshot_json(*snapshot, {}, clock.steady_now());
  const auto again = read_snapshot_json(written, clock);
  require(again.has_value(), "what was written can be read");
  require(snapshot_json(*again, {}, clock.steady_now()) == written,
          "reading what was written gives the same snapshot");
  require_table(pods_tsv(*snapshot, clock.steady_now()));
  require_table(agent_tsv(*snapshot, clock.steady_now(), clock.wall_now(), {}));
}

void require_listing(std::string_view input) {
  const auto listing = read_listing_json(input);
  if (!listing) return require(is_printable(listing.error().what), "an error is fit for a log");
  const auto written = listing_json({}, *listing);
  const auto again = read_listing_json(written);
  require(again.has_value(), "what was written can be read");
  require(listing_json({}, *again) == written, "reading what was written gives the same list");
  require_table(sockets_tsv(*listing));
}

}  // namespace

/// Each document is taken for each.
void attempt(std::string_view input) {
  const testing::FakeClock clock;
  require_snapshot(input, clock);
  require_listing(input);
}

}  // namespace closewatch::fuzz
