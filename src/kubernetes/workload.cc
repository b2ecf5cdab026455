// SPDX-License-Identifier: Apache-2.0
#include "kubernetes/workload.h"

#include <cstdint>
#include <optional>

#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

std::optional<std::string_view> owner_before(std::string_view name, std::string_view suffix) {
  if (suffix.empty() || name.size() < suffix.size() + 2 || !name.ends_with(suffix)) {
    return std::nullopt;
  }
  name.remove_suffix(suffix.size());
  if (!name.ends_with('-')) return std::nullopt;
  return name.substr(0, name.size() - 1);
}

/// Whether digits are a time at which a CronJob can have been due, from 2015 (the first of them) to
/// 2100. A date like 20260131 is none: as minutes it would be in 2008.
bool is_schedule(std::string_view digits) {
  constexpr std::size_t kMinuteDigits = 8;
  constexpr std::size_t kSecondDigits = 10;
  constexpr std::uint64_t kFirst = 1'420'070'400;
  constexpr std::uint64_t kLast = 4'102'444'800;
  if (digits.size() != kMinuteDigits && digits.size() != kSecondDigits) return false;
  const auto number = whole_number<std::uint64_t>(digits);
  if (!number) return false;
  const auto seconds = digits.size() == kMinuteDigits ? *number * 60 : *number;
  return seconds >= kFirst && seconds <= kLast;
}

std::optional<std::string_view> cron_job_of(std::string_view job) {
  const auto dash = job.rfind('-');
  if (dash == std::string_view::npos || !is_schedule(job.substr(dash + 1))) return std::nullopt;
  return owner_before(job, job.substr(dash + 1));
}

Workload workload(std::string_view kind, std::string_view name) {
  return {std::string(kind), std::string(name)};
}

}  // namespace

Workload workload_of(std::string_view controller_kind, std::string_view controller_name,
                     std::string_view pod_template_hash) {
  if (controller_kind == "Node") return {};
  if (controller_kind == "ReplicaSet") {
    if (const auto deployment = owner_before(controller_name, pod_template_hash)) {
      return workload("Deployment", *deployment);
    }
  }
  if (controller_kind == "Job") {
    if (const auto cron_job = cron_job_of(controller_name)) return workload("CronJob", *cron_job);
  }
  return workload(controller_kind, controller_name);
}

}  // namespace closewatch
