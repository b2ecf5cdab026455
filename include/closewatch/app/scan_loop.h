#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "closewatch/app/logging.h"
#include "closewatch/scan/scanner.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// The scanner's thread: scans, publishes, waits for the interval in force, again. Its destructor
/// ends the thread, after the namespace that is being read.
class ScanLoop {
 public:
  /// Starts at once. `store` and `clock` must outlive the loop.
  ScanLoop(std::unique_ptr<Scanner> scanner, SnapshotStore& store, Logger logger,
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
  Logger logger_;
  const Clock& clock_;
  std::atomic<std::chrono::steady_clock::duration> last_beat_;
  std::atomic<bool> waiting_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace closewatch
