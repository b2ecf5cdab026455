// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/scan_loop.h"

#include <pthread.h>

#include <csignal>
#include <exception>
#include <utility>

namespace closewatch {
namespace {

constexpr std::chrono::minutes kLongestSilence{1};
constexpr std::chrono::seconds kAfterFailure{10};

/// Signals are for the main thread: here they would only interrupt system calls.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  SignalsBlocked(SignalsBlocked&&) = delete;
  SignalsBlocked& operator=(SignalsBlocked&&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

ScanLoop::ScanLoop(std::unique_ptr<Scanner> scanner, SnapshotStore& store, ScanListener listener,
                   const Clock& clock)
    : scanner_(std::move(scanner)), store_(store), listener_(std::move(listener)), clock_(clock) {
  beat();
  const SignalsBlocked blocked;  // the new thread inherits it
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

bool ScanLoop::alive() const {
  const auto silence = clock_.steady_now().time_since_epoch() - last_beat_.load();
  return waiting_ || silence < kLongestSilence;
}

void ScanLoop::beat() { last_beat_ = clock_.steady_now().time_since_epoch(); }

void ScanLoop::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto started = clock_.steady_now();
    const auto interval = scan_once(stop);
    std::unique_lock lock(mutex_);
    waiting_ = true;
    wake_.wait_until(lock, stop, started + interval, [] { return false; });
    beat();  // before, or it would look dead for a moment
    waiting_ = false;
  }
}

std::chrono::nanoseconds ScanLoop::scan_once(const std::stop_token& stop) {
  try {
    auto snapshot = scanner_->scan([&] {
      beat();
      return !stop.stop_requested();
    });
    if (snapshot == nullptr) return {};
    const auto previous = store_.last();
    listener_.scanned(previous.get(), *snapshot);
    const auto interval = snapshot->interval;
    store_.publish(std::move(snapshot));
    listener_.published();
    return interval;
  } catch (const std::exception& error) {
    // Out of memory, most likely. The last snapshot goes stale and says so.
    listener_.failed(error.what());
    return kAfterFailure;
  }
}

}  // namespace closewatch
