// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_event_history.h"

namespace closewatch {
namespace {

void add(std::optional<TcpEventCounts>& sum, const TcpEventCounts& more) {
  if (sum) {
    sum->add(more);
  } else {
    sum = more;
  }
}

}  // namespace

void TcpEventHistory::observe(std::span<const NamespaceEvents> spaces) {
  for (auto& [space, known] : known_) known.is_there = false;
  for (const auto& [space, counts] : spaces) {
    auto& known = known_[space];
    if (counts.falls_below(known.counts)) add(past_, known.counts);
    known = {counts, true};
  }
  forget_some();
  last_ = past_;
  for (const auto& [space, known] : known_) add(last_, known.counts);
  wanted_ = false;
}

void TcpEventHistory::fail() {
  last_.reset();
  wanted_ = false;
}

/// Those in which nothing has happened, as pods make them by the thousand: should one come back, it
/// adds what it has then. Of others those that were made first, by their cookies.
void TcpEventHistory::forget_some() {
  std::erase_if(known_, [](const auto& entry) {
    return !entry.second.is_there && entry.second.counts.is_zero();
  });
  std::size_t gone = 0;
  for (const auto& [space, known] : known_) gone += known.is_there ? 0 : 1;
  for (auto entry = known_.begin(); gone > kMostKnown;) {
    const auto here = entry++;
    if (here->second.is_there) continue;
    add(past_, here->second.counts);
    known_.erase(here);
    --gone;
  }
}

}  // namespace closewatch
