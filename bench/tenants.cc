// SPDX-License-Identifier: Apache-2.0
#include "bench/tenants.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>

#include "tests/support/tcp_sockets.h"

namespace closewatch::bench {
namespace {

constexpr std::size_t kMostOfOne = 17'000;  // a process may have 20,000 descriptors

std::vector<UniqueFd> make_sockets(std::size_t established, std::size_t close_wait,
                                   std::uint8_t network) {
  using testing::Wire;
  auto sockets = testing::sockets_in(TcpState::kEstablished, Wire::kIpv4, established);
  if (close_wait > 0) {
    auto leaks = testing::many_in_close_wait(close_wait, network);
    std::move(leaks.begin(), leaks.end(), std::back_inserter(sockets));
  }
  return sockets;
}

}  // namespace

Tenants::Tenants(std::size_t namespaces, std::size_t connections, std::size_t close_wait,
                 std::size_t processes) {
  for (std::size_t i = 0; i < namespaces; ++i) {
    const auto& space = spaces_.emplace_back("bench" + std::to_string(i), std::function<void()>{},
                                             testing::NetworkNamespace::Resident::kNone);
    space.sysctl("net.ipv4.ip_local_port_range", "1024 65535");
    std::size_t established = connections - close_wait;
    std::size_t left = close_wait;
    std::uint8_t network = 10;
    do {
      const auto leaks = std::min(left, kMostOfOne);
      holders_.emplace_back(space, [=] { return make_sockets(established, leaks, network); });
      established = 0;
      left -= leaks;
      ++network;
    } while (left > 0);
    for (std::size_t more = 1; more < processes; ++more) {
      idle_.emplace_back(space, [] { return std::vector<UniqueFd>{}; });
    }
  }
  for (const auto& holder : holders_) holder.wait_until_ready();
}

}  // namespace closewatch::bench
