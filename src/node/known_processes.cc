// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/known_processes.h"

#include <utility>

namespace closewatch {

std::shared_ptr<const Process> KnownProcesses::find(pid_t pid) {
  const std::lock_guard lock(mutex_);
  const auto known = processes_.find(pid);
  if (known == processes_.end()) return nullptr;
  known->second.asked = true;
  return known->second.process;
}

void KnownProcesses::keep(pid_t pid, std::shared_ptr<const Process> process) {
  const std::lock_guard lock(mutex_);
  if (processes_.size() >= most_ && !processes_.contains(pid)) return;
  processes_.insert_or_assign(pid, Known{std::move(process)});
}

void KnownProcesses::forget_others() {
  const std::lock_guard lock(mutex_);
  for (auto known = processes_.begin(); known != processes_.end();) {
    const auto here = known++;
    if (!std::exchange(here->second.asked, false)) processes_.erase(here);
  }
}

}  // namespace closewatch
