// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "closewatch/scan/scanner.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Who hears of scans, in the scanner's thread.
struct ScanListener {
  /// `before` is nullptr for the first.
  std::function<void(const Snapshot* before, const Snapshot& now)> scanned =
      [](const Snapshot* /*before*/, const Snapshot& /*now*/) {};
  std::function<void(const std::string& why)> failed = [](const std::string& /*why*/) {};
  std::function<void()> published = [] {};  ///< it is the store's last now
};

/// The scanner's thread: scans, publishes, waits for the interval in force, again. Its destructor
/// ends the thread, after the namespace that is being read.
class ScanLoop {
 public:
  /// Starts at once. `store` and `clock` must outlive the loop.
  ScanLoop(std::unique_ptr<Scanner> scanner, SnapshotStore& store, ScanListener listener,
           const Clock& clock);

  /// Whether the thread has made progress lately: it waits for its next scan, or has come to
  /// another pod within a minute. Thread-safe.
  [[nodiscard]] bool alive() const;

 private:
  void run(const std::stop_token& stop);
  /// How long to wait for the next scan.
  std::chrono::nanoseconds scan_once(const std::stop_token& stop);
  void beat();

  std::unique_ptr<Scanner> scanner_;
  SnapshotStore& store_;
  ScanListener listener_;
  const Clock& clock_;
  std::atomic<std::chrono::steady_clock::duration> last_beat_;
  std::atomic<bool> waiting_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace closewatch
