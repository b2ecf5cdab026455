// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// Lists the sockets of pods with their processes, in a thread of its own, since that looks through
/// the pods' descriptors: each pod of a snapshot once, however many ask. It keeps the last 8
/// listings. Who had to wait for more than 3 s, or comes where 32 wait already, is given the
/// sockets without their processes, and told so.
///
/// All is called on one thread, that of whoever asks, but for `owners_of`.
class SocketListings {
 public:
  using Listing = std::shared_ptr<const SocketListing>;
  using Done = std::function<void(const Listing&)>;
  /// Has something done on the thread of whoever asks. Thread-safe.
  using Post = std::function<void(std::function<void()>)>;

  SocketListings(OwnersOf owners_of, Post post);
  SocketListings(const SocketListings&) = delete;
  SocketListings& operator=(const SocketListings&) = delete;
  SocketListings(SocketListings&&) = delete;
  SocketListings& operator=(SocketListings&&) = delete;
  /// Waits for the pod that is being looked through.
  ~SocketListings();

  /// The listing of the pods of that name, of which there is one at least. `done` is called at once
  /// or later, or never where this ends before.
  void of(const std::shared_ptr<const Snapshot>& snapshot, const std::string& pod_namespace,
          const std::string& pod, Done done);

 private:
  using Name = std::pair<std::string, std::string>;
  struct Job {
    std::shared_ptr<const Snapshot> snapshot;
    Name name;
    std::chrono::steady_clock::time_point asked;
  };

  void work();
  [[nodiscard]] Listing list(const Job& job) const;
  void finish(const Job& job, const Listing& listing);

  OwnersOf owners_of_;
  Post post_;

  std::shared_ptr<const Snapshot> snapshot_;  ///< that the following are of
  std::deque<std::pair<Name, Listing>> known_;
  std::map<std::pair<const Snapshot*, Name>, std::vector<Done>> waiting_;
  std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);

  std::mutex mutex_;  ///< of the following
  std::condition_variable more_;
  std::deque<Job> jobs_;
  bool ends_ = false;
  std::thread thread_;  ///< last, as it uses all the others
};

}  // namespace closewatch
