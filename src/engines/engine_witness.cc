// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/engine_witness.h"

#include <algorithm>
#include <set>
#include <utility>

namespace closewatch {

using std::chrono::nanoseconds;

bool EngineWitness::is_due() const { return !verdict_ && (suspect_ || allowance_ >= expected_); }

std::optional<std::size_t> EngineWitness::choose(std::span<const Candidate> candidates) {
  if (candidates.empty() || !is_due()) return std::nullopt;
  if (suspect_) {
    const auto again = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const auto& one) { return one.uid == *suspect_; });
    if (again != candidates.end()) return again - candidates.begin();
  }
  follow(candidates);
  const auto was_checked = [&](const Candidate& one) {
    return last_round_.find(one.uid)->second == round_;
  };
  if (std::all_of(candidates.begin(), candidates.end(), was_checked)) ++round_;
  const auto turn = [&](const Candidate& one) {
    return std::pair(was_checked(one), !one.has_close_wait);
  };
  const auto next =
      std::min_element(candidates.begin(), candidates.end(),
                       [&](const auto& a, const auto& b) { return turn(a) < turn(b); });
  return next - candidates.begin();
}

/// Who is new has its turn in the next round, so that each round ends; one that leaks in this.
void EngineWitness::follow(std::span<const Candidate> candidates) {
  std::set<std::string_view> there;
  for (const auto& one : candidates) {
    there.insert(one.uid);
    last_round_.try_emplace(std::string(one.uid), one.has_close_wait ? round_ - 1 : round_);
  }
  std::erase_if(last_round_, [&](const auto& known) { return !there.contains(known.first); });
}

void EngineWitness::scanned(nanoseconds cpu) {
  constexpr int kShare = 5;
  // What is not used is not saved up for later.
  allowance_ = std::min(allowance_ + cpu / kShare, std::max(expected_, cpu / kShare));
}

void EngineWitness::checked(std::string_view uid, std::optional<std::string> contradiction,
                            nanoseconds cpu, nanoseconds dump) {
  pay(cpu);
  dump_cpu_ = dump;
  last_round_.insert_or_assign(std::string(uid), round_);
  if (!contradiction) {
    ++checks_.agree;
    suspect_.reset();
    return;
  }
  ++checks_.disagree;
  if (suspect_) {
    verdict_ = std::move(contradiction);
  } else {
    suspect_ = uid;
  }
}

void EngineWitness::undecided(std::string_view uid, nanoseconds cpu) {
  pay(cpu);
  last_round_.insert_or_assign(std::string(uid), round_);
  suspect_.reset();
  ++checks_.undecided;
}

void EngineWitness::pay(nanoseconds cpu) {
  allowance_ -= cpu;
  expected_ = cpu;
}

}  // namespace closewatch
