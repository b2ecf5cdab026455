#include "closewatch/scan/socket_tally.h"

#include <algorithm>

namespace closewatch {
namespace {

/// Sorts by port and makes one of those with the same.
void merge_by_port(std::vector<ListenBacklog>& listeners) {
  std::sort(listeners.begin(), listeners.end(),
            [](const ListenBacklog& a, const ListenBacklog& b) { return a.port < b.port; });
  auto kept = listeners.begin();
  for (auto next = listeners.begin(); next != listeners.end(); ++next) {
    if (kept != next && kept->port == next->port) {
      kept->sockets += next->sockets;
      kept->limit += next->limit;
    } else if (kept != next) {
      *++kept = *next;
    }
  }
  if (!listeners.empty()) listeners.erase(kept + 1, listeners.end());
}

}  // namespace

void SocketSums::add(const SocketSums& other) {
  states.add(other.states);
  listeners.insert(listeners.end(), other.listeners.begin(), other.listeners.end());
  merge_by_port(listeners);
}

void SocketTally::restart() {
  sums_.states = {};
  sums_.listeners.clear();
}

void SocketTally::row(const SocketRow& row) {
  sums_.states.add(row.state);
  if (row.state == TcpState::kListen) {
    sums_.listeners.push_back({row.local.port, row.receive_queue, row.send_queue});
  }
}

const SocketSums& SocketTally::sums() {
  merge_by_port(sums_.listeners);
  return sums_;
}

}  // namespace closewatch
