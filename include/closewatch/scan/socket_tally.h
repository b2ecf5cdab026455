#pragma once

#include <cstdint>
#include <vector>

#include "closewatch/kernel/socket_source.h"
#include "closewatch/scan/state_counts.h"

namespace closewatch {

/// The accept queues of all listeners of one port: of each address, family and SO_REUSEPORT socket.
struct ListenBacklog {
  std::uint16_t port = 0;
  std::uint64_t sockets = 0;  ///< connections that wait for accept()
  std::uint64_t limit = 0;    ///< how many may wait

  bool operator==(const ListenBacklog&) const = default;
};

/// What the rows of one or more namespaces add up to.
struct SocketSums {
  StateCounts states;
  std::vector<ListenBacklog> listeners;  ///< by port, each port once

  /// O(listeners).
  void add(const SocketSums& other);
  bool operator==(const SocketSums&) const = default;
};

/// Adds up the rows of one namespace. Keeps its memory from namespace to namespace, so that
/// counting allocates nothing for a socket.
class SocketTally final : public RowSink {
 public:
  void restart() override;
  void row(const SocketRow& row) override;

  /// What the rows since restart() add up to. O(listeners · log listeners).
  const SocketSums& sums();

 private:
  SocketSums sums_;
};

}  // namespace closewatch
