// SPDX-License-Identifier: Apache-2.0
#include "web/hashing_thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include <openssl/crypto.h>

namespace closewatch::web {
namespace {

constexpr std::size_t kMostJobs = 16;
constexpr std::ptrdiff_t kMostOfOne = 2;

}  // namespace

HashingThread::HashingThread() {
  // Signals are for the main thread; a new one inherits what is blocked.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool HashingThread::add(Job job) {
  {
    const std::lock_guard lock(mutex_);
    const auto own = std::count_if(jobs_.begin(), jobs_.end(), [&](const Job& waiting) {
      return waiting.client == job.client;
    });
    if (jobs_.size() >= kMostJobs || own >= kMostOfOne) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void HashingThread::run(const std::stop_token& stop) {
  constexpr int kLast = 19;
  // Of this thread alone, on Linux (setpriority(2)); without it works as well.
  ::setpriority(PRIO_PROCESS, 0, kLast);
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !jobs_.empty(); })) return;
      if (stop.stop_requested()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    const bool fits = job.hash.is_of(job.password);
    OPENSSL_cleanse(job.password.data(), job.password.size());
    job.done(fits);
  }
}

}  // namespace closewatch::web
