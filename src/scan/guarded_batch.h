// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "closewatch/base/hang_guard.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Readings of some pods, one after the other. Done by a thread that may be left behind, which then
/// has this to itself: each outcome is written once, before `next_` says so.
template <typename Outcome>
class GuardedBatch {
 public:
  /// `work` owns all that it uses. `place` is the pod's in a snapshot.
  void add(std::size_t place, std::function<Outcome()> work) {
    items_.push_back({place, std::move(work), std::nullopt});
  }
  [[nodiscard]] std::size_t size() const { return items_.size(); }

  void run() {
    for (auto i = next_.load(); i < items_.size() && !left_; next_ = ++i) {
      items_[i].outcome.emplace(items_[i].work());
    }
  }
  /// The first whose outcome is not there. Those before it are the caller's from now on.
  std::size_t leave() {
    left_ = true;
    return next_;
  }
  [[nodiscard]] std::size_t place(std::size_t i) const { return items_[i].place; }
  [[nodiscard]] const Outcome& outcome(std::size_t i) const { return *items_[i].outcome; }

 private:
  struct Item {
    std::size_t place;
    std::function<Outcome()> work;
    std::optional<Outcome> outcome;
  };

  std::vector<Item> items_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> left_ = false;
};

/// What is to be done with each pod, by its place in the snapshot.
template <typename Outcome>
struct GuardedSteps {
  /// The work; none for a pod that hangs already.
  std::function<std::function<Outcome()>(std::size_t place)> work;
  std::function<void(std::size_t place, const Outcome& outcome)> take;
  std::function<void(std::size_t place)> hang;
  /// One before it hangs: it has not been begun.
  std::function<void(std::size_t place)> put_off;
};

/// Reads the pods at `places` in a thread of `guard`, some at once, as to change to that thread for
/// each costs more than reading does.
template <typename Outcome>
void read_guarded(HangGuard& guard, const Snapshot& snapshot, std::span<const std::size_t> places,
                  const std::function<bool()>& go_on, const GuardedSteps<Outcome>& steps) {
  constexpr std::size_t kTogether = 16;
  while (!places.empty() && go_on()) {
    const auto batch = std::make_shared<GuardedBatch<Outcome>>();
    for (; !places.empty() && batch->size() < kTogether; places = places.subspan(1)) {
      auto work = steps.work(places.front());
      if (guard.is_stuck(snapshot.pods[places.front()].uid) || !work) {
        steps.hang(places.front());
      } else {
        batch->add(places.front(), std::move(work));
      }
    }
    if (batch->size() == 0) continue;
    const bool done = guard.run([batch] { batch->run(); }, go_on);
    const auto reached = done ? batch->size() : batch->leave();
    for (std::size_t i = 0; i < reached; ++i) steps.take(batch->place(i), batch->outcome(i));
    if (done) continue;
    guard.blame(snapshot.pods[batch->place(reached)].uid);
    steps.hang(batch->place(reached));
    for (auto i = reached + 1; i < batch->size(); ++i) steps.put_off(batch->place(i));
  }
}

}  // namespace closewatch
