// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace closewatch::web {

/// How often one client may be wrong: 10 times, and then once in 6 s. Those of one IPv6 network
/// (/64) are one. 1,024 clients at most are remembered; who has been wrong least lately is
/// forgotten first. Belongs to one thread.
class FailureLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Whether the client may try again.
  [[nodiscard]] bool allows(const std::string& client, Time now) const;
  /// Returns whether that was the last one for now.
  bool add(const std::string& client, Time now);

 private:
  struct Account {
    double left = 0;  ///< tries
    Time since{};     ///< of when that is
  };

  [[nodiscard]] static double left_of(const Account& account, Time now);
  void make_room();

  std::map<std::string, Account> accounts_;
};

}  // namespace closewatch::web
