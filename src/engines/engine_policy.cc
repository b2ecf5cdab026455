// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/engine_policy.h"

#include <algorithm>

namespace closewatch {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

EnginePolicy::EnginePolicy(nanoseconds interval, double budget)
    : dear_(std::chrono::round<nanoseconds>(interval * budget / 10)) {}

Engine EnginePolicy::after(Engine used, nanoseconds cpu, std::optional<nanoseconds> by_inet_diag,
                           steady_clock::time_point now) {
  if (used == Engine::kInetDiag) {
    if (!bpf_ || !is_dear(cpu)) return Engine::kInetDiag;
  } else if (has_been_cheap(by_inet_diag, now)) {
    return Engine::kInetDiag;
  } else {
    return used;
  }
  scans_ = 0;
  cheap_since_.reset();
  return Engine::kBpf;
}

/// The middle one of the last scans; or one that takes the whole budget, which is no accident.
bool EnginePolicy::is_dear(nanoseconds cpu) {
  constexpr int kWhole = 10;
  if (cpu > kWhole * dear_) return true;
  last_.at(scans_++ % kScans) = cpu;
  if (scans_ < kScans) return false;
  auto sorted = last_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[kScans / 2] > dear_;
}

/// For so long that it will not have to be changed back at once.
bool EnginePolicy::has_been_cheap(std::optional<nanoseconds> by_inet_diag,
                                  steady_clock::time_point now) {
  constexpr std::chrono::minutes kLongEnough{10};
  if (!by_inet_diag || *by_inet_diag * 2 > dear_) {
    cheap_since_.reset();
    return false;
  }
  if (!cheap_since_) cheap_since_ = now;
  return now - *cheap_since_ >= kLongEnough;
}

}  // namespace closewatch
