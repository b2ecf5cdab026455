// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"

namespace closewatch::bench {

/// Namespaces with connections in them, of which some are in CLOSE_WAIT; an established connection
/// is two sockets, as is one in CLOSE_WAIT for the minute that its other end stays in FIN_WAIT2.
class Tenants {
 public:
  /// `processes` in each, of which the first hold the sockets.
  Tenants(std::size_t namespaces, std::size_t connections, std::size_t close_wait = 0,
          std::size_t processes = 1);

  [[nodiscard]] const std::vector<testing::NetworkNamespace>& spaces() const { return spaces_; }
  [[nodiscard]] const std::vector<testing::SocketHolder>& holders() const { return holders_; }

 private:
  std::vector<testing::NetworkNamespace> spaces_;
  std::vector<testing::SocketHolder> holders_;
  std::vector<testing::SocketHolder> idle_;
};

}  // namespace closewatch::bench
