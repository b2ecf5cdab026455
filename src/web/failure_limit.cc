// SPDX-License-Identifier: Apache-2.0
#include "web/failure_limit.h"

#include <algorithm>

#include "closewatch/http/client_network.h"

namespace closewatch::web {
namespace {

constexpr double kAtOnce = 10;
constexpr double kPerSecond = 1.0 / 6;
constexpr std::size_t kMostAccounts = 1024;

}  // namespace

double FailureLimit::left_of(const Account& account, Time now) {
  const std::chrono::duration<double> passed = now - account.since;
  return std::min(kAtOnce, account.left + passed.count() * kPerSecond);
}

bool FailureLimit::allows(const std::string& client, Time now) const {
  const auto found = accounts_.find(http::network_of(client));
  return found == accounts_.end() || left_of(found->second, now) >= 1;
}

bool FailureLimit::add(const std::string& client, Time now) {
  const auto name = http::network_of(client);
  const auto found = accounts_.find(name);
  if (found == accounts_.end()) {
    if (accounts_.size() >= kMostAccounts) make_room();
    accounts_[name] = {kAtOnce - 1, now};
    return false;
  }
  const double before = left_of(found->second, now);
  found->second = {std::max(before - 1, 0.0), now};
  return before >= 1 && found->second.left < 1;
}

void FailureLimit::make_room() {
  accounts_.erase(std::min_element(
      accounts_.begin(), accounts_.end(),
      [](const auto& one, const auto& other) { return one.second.since < other.second.since; }));
}

}  // namespace closewatch::web
