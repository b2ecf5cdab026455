// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_objects.h"

#include <algorithm>
#include <vector>

#include "tests/fuzz/fuzz.h"

#include "closewatch/kubernetes/object_name.h"

namespace closewatch::fuzz {
namespace {

void require_proper(const PodObject& pod) {
  const auto& [uid, config_hash, metadata] = pod;
  require(is_object_name(uid) && is_object_name(metadata.pod_namespace) &&
              is_object_name(metadata.name),
          "a pod's names are fit for labels");
  require(metadata.workload.empty() == metadata.workload_kind.empty(),
          "a workload has a kind and a name");
  require(metadata.workload.empty() ||
              (is_object_name(metadata.workload) && is_object_name(metadata.workload_kind)),
          "a workload's names are fit for labels");
}

Result<PodPage> read_page(std::string_view input, std::size_t step) {
  PodPageReader reader;
  while (!input.empty()) {
    const auto piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    if (auto fed = reader.feed(piece); !fed) return tl::unexpected(fed.error());
  }
  return std::move(reader).page();
}

/// The events until one is wrong.
std::vector<WatchEvent> read_events(std::string_view input, std::size_t step) {
  WatchReader reader;
  std::vector<WatchEvent> events;
  Result<void> fed;
  while (!input.empty() && fed) {
    const auto piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    fed = reader.feed(piece, [&](const WatchEvent& event) -> Result<void> {
      events.push_back(event);
      return {};
    });
  }
  require(fed || is_printable(fed.error().what), "an error is fit for a log");
  return events;
}

void require_proper(const WatchEvent& event) {
  const bool is_pod =
      event.kind == WatchEvent::Kind::kPut || event.kind == WatchEvent::Kind::kDeleted;
  if (is_pod) require_proper(event.pod);
  require(is_printable(event.message), "a message is fit for a log");
}

}  // namespace

/// A byte for the size of the pieces, then a page of a list, lines of a watch, a refusal: each
/// takes each for what it is not.
void attempt(std::string_view input) {
  const std::size_t step = take_byte(input) + std::size_t{1};
  const auto page = read_page(input, std::max<std::size_t>(input.size(), 1));
  const auto pieces = read_page(input, step);
  require(page.has_value() == pieces.has_value() && (!page || page->pods == pieces->pods),
          "a page is the same however it comes");
  if (page) {
    for (const auto& pod : page->pods) require_proper(pod);
    require(!page->resource_version.empty(), "a watch can go on from a page");
  } else {
    require(is_printable(page.error().what), "an error is fit for a log");
  }
  const auto events = read_events(input, std::max<std::size_t>(input.size(), 1));
  require(events.size() == read_events(input, step).size(), "as many events however they come");
  for (const auto& event : events) require_proper(event);
  require(is_printable(parse_status_message(input)), "a refusal's message is fit for a log");
}

}  // namespace closewatch::fuzz
