// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/descriptor_history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "closewatch/base/seconds.h"
#include "closewatch/diagnosis/diagnosis.h"

namespace closewatch {
namespace {

/// Those whose numbers are told: of containers without a name only where there are no others.
std::vector<std::pair<std::string, const DescriptorUse*>> labelled(
    const Pod& pod, std::span<const DescriptorUse> uses) {
  const bool any_name =
      std::any_of(pod.containers.begin(), pod.containers.end(),
                  [](const Container& container) { return !container.name.empty(); });
  std::vector<std::pair<std::string, const DescriptorUse*>> found;
  for (const auto& use : uses) {
    if (!any_name) {
      found.emplace_back(kUnknownContainer, &use);
    } else if (!pod.containers.at(use.container).name.empty()) {
      found.emplace_back(pod.containers[use.container].name, &use);
    }
  }
  return found;
}

}  // namespace

bool is_nearer_to_limit(const ContainerDescriptors& a, const ContainerDescriptors& b) {
  const auto left = [](const ContainerDescriptors& container) {
    return container.time_left.value_or(std::chrono::seconds::max());
  };
  return std::tuple(left(b), a.share(), a.open) > std::tuple(left(a), b.share(), b.open);
}

std::vector<ContainerDescriptors> merged_descriptors(std::vector<ContainerDescriptors> containers) {
  std::stable_sort(containers.begin(), containers.end(), [](const auto& a, const auto& b) {
    return std::pair(std::string_view(a.container), -a.share()) <
           std::pair(std::string_view(b.container), -b.share());
  });
  containers.erase(
      std::unique(containers.begin(), containers.end(),
                  [](const auto& a, const auto& b) { return a.container == b.container; }),
      containers.end());
  return containers;
}

void DescriptorHistory::observe(std::chrono::steady_clock::time_point now, const Pod& pod,
                                std::span<const DescriptorUse> uses) {
  std::vector<ContainerDescriptors> containers;
  std::map<std::string, const DescriptorUse*> chosen;
  for (const auto& [label, use] : labelled(pod, uses)) {
    auto& known = chosen[label];
    if (known == nullptr ||
        std::pair(use->share(), use->open) > std::pair(known->share(), known->open)) {
      known = use;
    }
  }
  std::erase_if(growth_, [&](const auto& entry) { return !chosen.contains(entry.first); });
  for (const auto& [label, use] : chosen) {
    auto& growth = growth_[label];
    if (std::pair(growth.pid, growth.start_time) != std::pair(use->pid, use->start_time)) {
      growth = {use->pid, use->start_time, {}};
    }
    growth.add({now, use->open});
    containers.push_back({label, use->open, use->limit, use->pid, use->comm,
                          use->limit ? growth.until(*use->limit) : std::nullopt});
  }
  last_ = std::move(containers);
  wanted_ = false;
}

void DescriptorHistory::fail(bool left_behind) {
  last_.clear();
  wanted_ = false;
  if (left_behind) limits_ = std::make_shared<DescriptorLimits>();
}

void DescriptorHistory::Growth::add(const Sample& sample) {
  samples.push_back(sample);
  if (samples.size() > kSamples) samples.pop_front();
}

/// What goes up and down has no end: it must have grown in each quarter of the time.
std::optional<std::chrono::seconds> DescriptorHistory::Growth::until(std::uint64_t limit) const {
  constexpr double kLongest = 1e9;  // 31 years
  const auto& first = samples.front();
  const auto& last = samples.back();
  if (last.open >= limit) return std::chrono::seconds(0);
  if (last.at - first.at < kLeastSpan) return std::nullopt;
  constexpr std::size_t kQuarters = 4;
  for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) {
    const auto from = (samples.size() - 1) * quarter / kQuarters;
    const auto to = (samples.size() - 1) * (quarter + 1) / kQuarters;
    if (samples[to].open <= samples[from].open) return std::nullopt;
  }
  const double per_second =
      static_cast<double>(last.open - first.open) / seconds(last.at - first.at);
  const double left = static_cast<double>(limit - last.open) / per_second;
  if (left > kLongest) return std::nullopt;
  return std::chrono::seconds(static_cast<std::int64_t>(left));
}

}  // namespace closewatch
