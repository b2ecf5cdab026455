#include "web/failure_limit.h"

#include <algorithm>

#include <boost/asio/ip/address.hpp>

namespace closewatch::web {
namespace {

constexpr double kAtOnce = 10;
constexpr double kPerSecond = 1.0 / 6;
constexpr std::size_t kMostAccounts = 1024;

std::string account_of(const std::string& client) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(client, error);
  if (error || !address.is_v6()) return client;
  constexpr std::size_t kNetwork = 8;  // bytes
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + kNetwork, bytes.end(), std::uint8_t{0});
  return boost::asio::ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace

double FailureLimit::left_of(const Account& account, Time now) {
  const std::chrono::duration<double> passed = now - account.since;
  return std::min(kAtOnce, account.left + passed.count() * kPerSecond);
}

bool FailureLimit::allows(const std::string& client, Time now) const {
  const auto found = accounts_.find(account_of(client));
  return found == accounts_.end() || left_of(found->second, now) >= 1;
}

bool FailureLimit::add(const std::string& client, Time now) {
  const auto name = account_of(client);
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
