// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/written_down.h"

#include <utility>

#include "closewatch/present/shown.h"

namespace closewatch {

const WrittenDown::State& WrittenDown::follow() {
  auto snapshot = sources_.snapshots.last();
  const bool stale = snapshot != nullptr && Shown(*snapshot, sources_.clock.steady_now()).stale();
  State state{std::move(snapshot), stale, sources_.alive()};
  if (state == state_) return state_;
  state_ = std::move(state);
  known_.clear();
  kept_.clear();
  return state_;
}

WrittenDown::Text WrittenDown::find(const std::string& key) {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : found->second.lock();
}

WrittenDown::Text WrittenDown::keep(const Snapshot* snapshot, const std::string& key,
                                    std::string text) {
  auto content = std::make_shared<const http::Content>(std::move(text));
  if (snapshot != state_.snapshot.get()) return content;
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  known_.insert_or_assign(key, content);
  if (kept_.size() == kMost) kept_.pop_front();
  kept_.push_back(content);
  return content;
}

WrittenDown::Text WrittenDown::get(const std::string& key,
                                   const std::function<std::string(const State&)>& write) {
  const auto& state = follow();
  if (auto known = find(key)) return known;
  return keep(state.snapshot.get(), key, write(state));
}

}  // namespace closewatch
