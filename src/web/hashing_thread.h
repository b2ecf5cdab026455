// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "web/bcrypt_hash.h"

namespace closewatch::web {

/// Compares passwords with hashes, one at a time, in a thread of its own that gives way to all
/// others. Its destructor waits for the one that is being hashed.
class HashingThread {
 public:
  struct Job {
    BcryptHash hash;
    std::string password;
    std::string client;              ///< whose it is, or of what network
    std::function<void(bool)> done;  ///< called in the thread, with whether they fit
  };

  HashingThread();

  /// False when there is no room: 16 may wait, 2 of one client. Thread-safe.
  bool add(Job job);

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Job> jobs_;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace closewatch::web
