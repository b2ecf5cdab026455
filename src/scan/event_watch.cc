// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/event_watch.h"

#include "scan/guarded_batch.h"

namespace closewatch {
namespace {

using PodEvents = Result<std::vector<NamespaceEvents>>;

/// Of the last scan, for all but the home: who was alone in it has ended meanwhile, and it with
/// him.
PodEvents read_all(const TcpEventReader& reader, const std::vector<ReadNamespace>& spaces) {
  std::vector<NamespaceEvents> found;
  for (const auto& [identity, at] : spaces) {
    const auto counts = reader.read(at);
    if (counts) {
      found.push_back({identity, *counts});
    } else if (counts.error().kind != ErrorKind::kGone || &at == &spaces.front().at) {
      return tl::unexpected(counts.error());
    }
  }
  return found;
}

/// Whose counters are its own. nullptr: not this pod's.
TcpEventHistory* history_of(const EventWatch::Scan& scan, std::size_t place) {
  const auto& pod = scan.snapshot->pods[place];
  const bool counts = pod.visibility == Visibility::kVisible && !pod.host_network;
  return counts && !scan.spaces[place].empty() ? scan.histories.events_of(pod) : nullptr;
}

}  // namespace

std::size_t EventWatch::update(const Scan& scan) {
  auto& pods = scan.snapshot->pods;
  const auto began = scan.clock.steady_now();
  const auto cpu_before = scan.clock.thread_cpu() + scan.guard.cpu();
  const bool due = pace_.is_due(began);
  std::vector<std::size_t> wanted;
  for (std::size_t place = 0; place < pods.size(); ++place) {
    const auto* const history = history_of(scan, place);
    if (history != nullptr && (due || history->is_wanted())) wanted.push_back(place);
  }
  failures_ = 0;
  if (due) error_.reset();
  read(scan, wanted);
  for (std::size_t place = 0; place < pods.size(); ++place) {
    const auto* const history = history_of(scan, place);
    if (history != nullptr) pods[place].tcp_events = history->last();
  }
  if (due) pace_.read(began, scan.clock.thread_cpu() + scan.guard.cpu() - cpu_before);
  return failures_;
}

void EventWatch::read(const Scan& scan, const std::vector<std::size_t>& places) {
  const Error hangs(ErrorKind::kHung, "reading them does not return");
  read_guarded<PodEvents>(
      scan.guard, *scan.snapshot, places, scan.go_on,
      {[&](std::size_t place) -> std::function<PodEvents()> {
         return
             [reader = reader_, spaces = scan.spaces[place]] { return read_all(reader, spaces); };
       },
       [&](std::size_t place, const PodEvents& found) { take(scan, place, found); },
       [&](std::size_t place) { fail(scan, place, hangs); },
       [&](std::size_t place) { scan.histories.events_of(scan.snapshot->pods[place])->want(); }});
}

void EventWatch::take(const Scan& scan, std::size_t place, const PodEvents& found) {
  auto& history = *scan.histories.events_of(scan.snapshot->pods[place]);
  if (found) return history.observe(*found);
  // The process that was in it; the next scan finds another, or none. What was read before holds.
  if (found.error().kind == ErrorKind::kGone) return history.want();
  fail(scan, place, found.error());
}

void EventWatch::fail(const Scan& scan, std::size_t place, const Error& error) {
  const auto& pod = scan.snapshot->pods[place];
  scan.histories.events_of(pod)->fail();
  ++failures_;
  if (error_) return;
  error_ = Error(error.kind, "the TCP events of " + pod.pod_namespace + "/" + pod.name +
                                 ", and perhaps of others, are not known: " + error.what);
}

}  // namespace closewatch
