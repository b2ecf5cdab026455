// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "closewatch/kubernetes/access_reviewer.h"
#include "web/fingerprints.h"

namespace closewatch::web {

/// What the API server has said lately, for as long as that counts. 1,024 at most; the oldest goes.
/// Belongs to one thread.
class VerdictCache {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit VerdictCache(std::chrono::seconds lasts) : lasts_(lasts) {}

  /// nullptr: nothing that counts still. Valid until the next put().
  [[nodiscard]] const AccessVerdict* find(const Fingerprint& of, Time now) const;
  void put(const Fingerprint& of, AccessVerdict verdict, Time now);

 private:
  void erase(const Fingerprint& of);

  struct Entry {
    Fingerprint of{};
    AccessVerdict verdict;
    Time until{};
  };

  static constexpr std::size_t kMost = 1024;

  std::chrono::seconds lasts_;
  std::list<Entry> entries_;  ///< the oldest first
  std::map<Fingerprint, std::list<Entry>::iterator> places_;
};

}  // namespace closewatch::web
