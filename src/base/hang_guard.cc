// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/hang_guard.h"

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

/// They are for the thread that waits for them: here they would only interrupt system calls.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

std::chrono::nanoseconds cpu_of(clockid_t clock) {
  timespec used{};
  if (::clock_gettime(clock, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

/// A thread that does one work after the other. It shares ownership of itself with the guard.
class HangGuard::Worker {
 public:
  /// nullptr where no thread is to be had.
  static std::shared_ptr<Worker> start() {
    auto worker = std::make_shared<Worker>();
    try {
      worker->thread_ = std::thread([worker] { worker->serve(); });
    } catch (const std::system_error&) {
      return nullptr;
    }
    return worker;
  }

  void begin(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    work_ = std::move(work);
    busy_ = true;
    changed_.notify_all();
  }

  /// Whether it is done within so long.
  bool wait(std::chrono::nanoseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return !busy_; });
  }

  /// Whether its thread waits for a CPU, or has one (proc(5); do_task_stat() in fs/proc/array.c).
  [[nodiscard]] bool is_runnable() const {
    const auto path = "/proc/self/task/" + std::to_string(thread_id_) + "/stat";
    std::string text;
    if (!read_file_at(kWorkingDirectory, path.c_str(), text)) return false;
    const auto name_end = text.rfind(')');
    return name_end != std::string::npos && text.compare(name_end, 3, ") R") == 0;
  }

  /// What its thread has had of the CPU so far.
  [[nodiscard]] std::chrono::nanoseconds cpu() {
    clockid_t clock{};
    if (::pthread_getcpuclockid(thread_.native_handle(), &clock) != 0) return {};
    return cpu_of(clock);
  }

  /// What the last work has cost, now that it is done; throws what it has thrown.
  std::chrono::nanoseconds finish() {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    return cost_;
  }

  /// Tells it to end, and waits for that when it is idle.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  /// Lets it end by itself, whenever it returns.
  void leave() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
    thread_.detach();
  }

  [[nodiscard]] bool returned() const { return returned_; }

 private:
  void serve() {
    block_signals();
    thread_id_ = ::gettid();
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return busy_ || ended_; });
      if (!busy_) break;
      auto work = std::exchange(work_, nullptr);
      lock.unlock();
      const auto before = cpu_of(CLOCK_THREAD_CPUTIME_ID);
      do_it(work);
      const auto cost = cpu_of(CLOCK_THREAD_CPUTIME_ID) - before;
      lock.lock();
      cost_ = cost;
      busy_ = false;
      changed_.notify_all();
      if (ended_) break;
    }
    returned_ = true;
  }

  void do_it(std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      thrown_ = std::current_exception();
    }
    work = nullptr;  // what it owns is given back here, as that may wait as well
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> work_;
  bool busy_ = false;
  bool ended_ = false;
  std::chrono::nanoseconds cost_{};
  std::exception_ptr thrown_;
  std::atomic<pid_t> thread_id_ = 0;
  std::atomic<bool> returned_ = false;
  std::thread thread_;
};

HangGuard::HangGuard(std::chrono::nanoseconds patience)
    : patience_(patience), patience_now_(patience) {}

HangGuard::~HangGuard() {
  if (worker_ != nullptr) worker_->end();
}

bool HangGuard::run(std::function<void()> work, const std::function<bool()>& waiting) {
  constexpr int kLooks = 4;  // within the time of patience
  if (worker_ == nullptr && patience_ > std::chrono::nanoseconds::zero()) worker_ = Worker::start();
  if (worker_ == nullptr) {
    work();
    return true;
  }
  worker_->begin(std::move(work));
  auto used = worker_->cpu();
  for (int idle = 0; idle < kLooks;) {
    if (worker_->wait(patience_now_ / kLooks)) {
      cpu_ += worker_->finish();
      return true;
    }
    if (!waiting()) break;
    const auto now = worker_->cpu();
    idle = now == used && !worker_->is_runnable() ? idle + 1 : 0;
    used = now;
  }
  patience_now_ = std::max<std::chrono::nanoseconds>(patience_now_ / 2, kLeastPatience);
  worker_->leave();
  stuck_.push_back({{}, std::exchange(worker_, nullptr)});
  return false;
}

void HangGuard::blame(std::string_view whom) { stuck_.back().whom = whom; }

bool HangGuard::is_stuck(std::string_view whom) {
  if (stuck() >= kMostStuck) return true;
  return std::any_of(stuck_.begin(), stuck_.end(),
                     [&](const Stuck& stuck) { return stuck.whom == whom; });
}

std::size_t HangGuard::stuck() {
  std::erase_if(stuck_, [](const Stuck& stuck) { return stuck.worker->returned(); });
  return stuck_.size();
}

}  // namespace closewatch
