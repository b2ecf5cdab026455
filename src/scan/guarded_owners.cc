// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/guarded_owners.h"

#include <chrono>
#include <memory>

namespace closewatch {

Result<SocketOwnerList> find_owners(HangGuard& guard, const SocketOwners& owners, const Pod& pod,
                                    std::vector<std::uint32_t> inodes,
                                    const std::function<bool()>& waiting) {
  struct Search {
    SocketOwners owners;
    Pod pod;
    std::vector<std::uint32_t> inodes;
    SocketOwnerList found;

    void run() { found = owners.find(pod, std::move(inodes)); }
  };
  if (guard.is_stuck(pod.uid)) return fail(ErrorKind::kHung, kHangs);
  const auto search = std::make_shared<Search>(Search{owners, pod, std::move(inodes), {}});
  if (guard.run([search] { search->run(); }, waiting)) return std::move(search->found);
  guard.blame(pod.uid);
  return fail(ErrorKind::kHung, kHangs);
}

SocketOwnerList GuardedOwners::find(const Pod& pod, std::vector<std::uint32_t> inodes) {
  if (allowance_ && !allowance_->has_some(std::chrono::steady_clock::now())) {
    return {{},
            Error{ErrorKind::kOverLimit,
                  "looking for processes has cost what it may of the CPU (as much as "
                  "scan.cpu_budget); ask again in a minute"}};
  }
  guard_.begin_scan();
  const auto before = guard_.cpu();
  auto found = find_owners(guard_, owners_, pod, std::move(inodes), [] { return true; });
  if (allowance_) allowance_->use(std::chrono::steady_clock::now(), guard_.cpu() - before);
  if (!found) return {{}, found.error()};
  return std::move(*found);
}

}  // namespace closewatch
