// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace closewatch {

/// What is said of a pod that hangs.
inline constexpr const char* kHangs =
    "what is read of it does not return: one of its processes holds a lock, as it waits for a dead "
    "file system (NFS, FUSE), perhaps; it is counted again once that is over";

/// Does what may never return (a process may hold a lock for as long as its file system is dead) in
/// a thread that can be left behind. Belongs to one thread, which waits meanwhile.
///
/// Work hangs when its thread sleeps and has had no CPU time for as long as the patience lasts, so
/// that work which is merely slow, or a machine that is busy or was stopped for a while, is not
/// taken for it.
/// Patience is halved each time that it was of no use, until the next scan: however many pods hang
/// at once, the others do not wait for long.
class HangGuard {
 public:
  /// So many threads are left behind at most; then nothing is done any more until one returns.
  static constexpr std::size_t kMostStuck = 16;
  static constexpr std::chrono::milliseconds kLeastPatience{250};

  /// `patience` zero: all is done in the calling thread, for as long as it takes.
  explicit HangGuard(std::chrono::nanoseconds patience);
  ~HangGuard();
  HangGuard(const HangGuard&) = delete;
  HangGuard& operator=(const HangGuard&) = delete;
  HangGuard(HangGuard&&) = delete;
  HangGuard& operator=(HangGuard&&) = delete;

  /// Patience is whole again.
  void begin_scan() { patience_now_ = patience_; }
  /// Returns whether `work` has been done. When not it may still go on: it must own all that it
  /// uses, and whatever it would have done is void. `waiting` is called now and then meanwhile;
  /// when it says false nobody wants the work any more. What `work` throws is thrown here.
  bool run(std::function<void()> work, const std::function<bool()>& waiting);
  /// Says on whose behalf that was which was left behind last.
  void blame(std::string_view whom);
  /// Whether work on behalf of `whom` has not returned yet, or so much of others that nothing is to
  /// be done any more.
  bool is_stuck(std::string_view whom);
  /// How many threads have not returned.
  std::size_t stuck();
  /// CPU time of all work that was done.
  [[nodiscard]] std::chrono::nanoseconds cpu() const { return cpu_; }

 private:
  class Worker;
  struct Stuck {
    std::string whom;
    std::shared_ptr<Worker> worker;
  };

  std::chrono::nanoseconds patience_;
  std::chrono::nanoseconds patience_now_;
  std::chrono::nanoseconds cpu_{};
  std::shared_ptr<Worker> worker_;  ///< that waits for work; none until there is some
  std::vector<Stuck> stuck_;
};

}  // namespace closewatch
