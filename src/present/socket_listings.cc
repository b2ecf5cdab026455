// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/socket_listings.h"

#include <algorithm>
#include <exception>

namespace closewatch {
namespace {

constexpr std::size_t kMostKnown = 8;
constexpr std::size_t kMostWaiting = 32;
constexpr std::chrono::seconds kPatience{3};

/// In the place of a search that is not made.
OwnersOf gives_up(const char* why) {
  return [why](const Pod& /*pod*/, const std::vector<std::uint32_t>& /*inodes*/) {
    return SocketOwnerList{{}, Error{ErrorKind::kOverLimit, why}};
  };
}

}  // namespace

SocketListings::SocketListings(OwnersOf owners_of, Post post)
    : owners_of_(std::move(owners_of)), post_(std::move(post)), thread_([this] { work(); }) {}

SocketListings::~SocketListings() {
  *lives_ = false;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  more_.notify_one();
  thread_.join();
}

void SocketListings::of(const std::shared_ptr<const Snapshot>& snapshot,
                        const std::string& pod_namespace, const std::string& pod, Done done) {
  if (snapshot != snapshot_) {
    snapshot_ = snapshot;
    known_.clear();
  }
  const Name name{pod_namespace, pod};
  const auto known = std::find_if(known_.begin(), known_.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  if (known != known_.end()) return done(known->second);

  const auto found = waiting_.find({snapshot.get(), name});
  if (found != waiting_.end()) return found->second.push_back(std::move(done));
  if (waiting_.size() >= kMostWaiting) {
    return done(std::make_shared<const SocketListing>(
        list_sockets(find_namesakes(*snapshot, pod_namespace, pod),
                     gives_up("too many pods are being looked through; ask again"))));
  }
  waiting_[{snapshot.get(), name}].push_back(std::move(done));
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({snapshot, name, std::chrono::steady_clock::now()});
  }
  more_.notify_one();
}

SocketListings::Listing SocketListings::list(const Job& job) const {
  const auto listed = [&](const OwnersOf& owners_of) {
    return std::make_shared<const SocketListing>(
        list_sockets(find_namesakes(*job.snapshot, job.name.first, job.name.second), owners_of));
  };
  const bool is_late = std::chrono::steady_clock::now() - job.asked > kPatience;
  if (is_late) return listed(gives_up("other pods took too long to be looked through; ask again"));
  try {
    return listed(owners_of_);
  } catch (const std::exception&) {  // none may leave the thread
    return listed(gives_up("looking for them has failed; ask again"));
  }
}

void SocketListings::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    more_.wait(lock, [this] { return ends_ || !jobs_.empty(); });
    if (ends_) return;
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    post_([this, lives = lives_, job, listing = list(job)] {
      if (*lives) finish(job, listing);
    });
    lock.lock();
  }
}

void SocketListings::finish(const Job& job, const Listing& listing) {
  if (job.snapshot == snapshot_) {
    if (known_.size() == kMostKnown) known_.pop_front();
    known_.emplace_back(job.name, listing);
  }
  auto waiting = waiting_.extract({job.snapshot.get(), job.name});
  for (const auto& done : waiting.mapped()) done(listing);
}

}  // namespace closewatch
