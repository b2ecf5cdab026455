// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/descriptor_watch.h"

#include <algorithm>
#include <utility>

#include "scan/guarded_batch.h"

namespace closewatch {
namespace {

using PodDescriptors = Result<std::vector<DescriptorUse>>;

/// `pod` is one of a snapshot of which nobody changes what is read here.
PodDescriptors read_pod(const DescriptorReader& reader, const PodSnapshot& pod,
                        const ProcessesByNamespace* all_residents, DescriptorLimits& limits) {
  static const std::vector<pid_t> nobody;
  const auto* residents = &nobody;
  if (pod.located && all_residents != nullptr) {
    const auto found = all_residents->find(pod.located->id);
    if (found != all_residents->end()) residents = &found->second;
  }
  return reader.read(pod, *residents, limits);
}

bool is_counted(const PodSnapshot& pod) { return pod.visibility == Visibility::kVisible; }

}  // namespace

std::size_t DescriptorWatch::update(const Scan& scan) {
  auto& pods = scan.snapshot->pods;
  const auto began = scan.clock.steady_now();
  const auto cpu_before = scan.clock.thread_cpu() + scan.guard.cpu();
  const bool due = pace_.is_due(began);
  std::vector<std::size_t> wanted;
  for (std::size_t place = 0; place < pods.size(); ++place) {
    const auto* const history = scan.histories.descriptors_of(pods[place]);
    if (history == nullptr || !is_counted(pods[place])) continue;
    if (due || history->is_wanted()) wanted.push_back(place);
  }
  failures_ = 0;
  if (due) error_.reset();
  if (!wanted.empty()) read(scan, wanted);
  for (auto& pod : pods) {
    const auto* const history = scan.histories.descriptors_of(pod);
    if (history != nullptr && is_counted(pod)) pod.descriptors = history->last();
  }
  if (due) pace_.read(began, scan.clock.thread_cpu() + scan.guard.cpu() - cpu_before);
  return failures_;
}

void DescriptorWatch::read(const Scan& scan, const std::vector<std::size_t>& places) {
  const auto& pods = scan.snapshot->pods;
  std::shared_ptr<const ProcessesByNamespace> residents;
  if (std::any_of(places.begin(), places.end(),
                  [&](std::size_t place) { return pods[place].located.has_value(); })) {
    residents = find_residents(scan);
  }
  read_guarded<PodDescriptors>(
      scan.guard, *scan.snapshot, places, scan.go_on,
      {[&](std::size_t place) -> std::function<PodDescriptors()> {
         if (pods[place].located && residents == nullptr) return nullptr;
         return [reader = reader_, all = scan.snapshot, residents, place,
                 limits = scan.histories.descriptors_of(pods[place])->limits()] {
           return read_pod(reader, all->pods[place], residents.get(), *limits);
         };
       },
       [&](std::size_t place, const PodDescriptors& uses) { take(scan, place, uses); },
       [&](std::size_t place) { hang(scan, place); },
       [&](std::size_t place) { scan.histories.descriptors_of(pods[place])->want(); }});
}

void DescriptorWatch::take(const Scan& scan, std::size_t place, const PodDescriptors& uses) {
  const auto& pod = scan.snapshot->pods[place];
  auto& history = *scan.histories.descriptors_of(pod);
  if (uses) return history.observe(scan.clock.steady_now(), pod, *uses);
  history.fail(false);
  fail(pod, uses.error());
}

void DescriptorWatch::hang(const Scan& scan, std::size_t place) {
  const auto& pod = scan.snapshot->pods[place];
  scan.histories.descriptors_of(pod)->fail(true);
  fail(pod, {ErrorKind::kHung, "looking at its processes does not return"});
}

void DescriptorWatch::fail(const PodSnapshot& pod, const Error& error) {
  ++failures_;
  if (error_) return;
  error_ = Error(error.kind, "the descriptors of " + pod.pod_namespace + "/" + pod.name +
                                 ", and perhaps of others, are not counted: " + error.what);
}

std::shared_ptr<const ProcessesByNamespace> DescriptorWatch::find_residents(const Scan& scan) {
  constexpr std::string_view kWhom = "the processes of the machine";
  if (scan.guard.is_stuck(kWhom)) return nullptr;
  struct Search {
    DescriptorReader reader;
    Result<ProcessesByNamespace> found;
  };
  const auto search = std::make_shared<Search>(Search{reader_, ProcessesByNamespace()});
  if (!scan.guard.run([search] { search->found = search->reader.processes_by_namespace(); },
                      scan.go_on)) {
    scan.guard.blame(kWhom);
    return nullptr;
  }
  if (!search->found) return nullptr;
  return std::make_shared<const ProcessesByNamespace>(std::move(*search->found));
}

}  // namespace closewatch
