// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/connections/connection_tally.h"
#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// What somebody asked for.
struct ConnectionQuery {
  std::uint32_t states = SocketQuery::kAllStates;  ///< a bit for each
  bool by_peer = false;                            ///< else single sockets
};

/// The bits of the states in a list by commas. kMalformed for a name that is not known, with all
/// that are.
Result<std::uint32_t> parse_states(std::string_view list);

/// A row of an answer. `pod` is a place in the snapshot that it is of.
struct ListedPeer {
  std::size_t pod = 0;
  PeerConnections connections;
  std::size_t ports = 0;  ///< that the kernel may choose from in this namespace

  /// The share of these that is used.
  [[nodiscard]] double share() const {
    return ports == 0 ? 0
                      : static_cast<double>(connections.ports_used) / static_cast<double>(ports);
  }
};
struct ListedConnection {
  std::size_t pod = 0;
  Connection socket;
  std::optional<SocketOwner> process;  ///< that has it open; nullopt: none is found
};
/// A pod that was asked for and is not in the answer, or not whole.
struct UnlistedPod {
  std::size_t pod = 0;
  Visibility reason = Visibility::kIncomplete;
  std::string detail;

  /// Whether the answer is less than whole for it: not where the pod cannot be listed by its
  /// nature, or by wish.
  [[nodiscard]] bool is_gap() const;
};

/// The sockets of some pods, the worst first: those of that destination which uses the largest
/// share of the ports that there are for it, then of who has most sockets. Its memory is bounded.
class ConnectionListing {
 public:
  /// Single sockets, and peers: what is listed. More are counted.
  static constexpr std::size_t kMost = 65'536;

  explicit ConnectionListing(const ConnectionQuery& query) : query_(query) {}

  /// How the sockets of the next namespace are to be summed up.
  [[nodiscard]] ConnectionTally::Settings settings() const;
  /// Takes a namespace of a pod.
  void add(std::size_t pod, ConnectionTally& tally, const PortSet& local);
  void leave_out(UnlistedPod pod) { unlisted_.push_back(std::move(pod)); }
  /// All are there: puts them in order.
  void finish();

  [[nodiscard]] const ConnectionQuery& query() const { return query_; }
  /// All sockets in a wanted state, by peer without those that listen.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  /// Whether there are more than are listed.
  [[nodiscard]] bool cut() const { return cut_; }
  [[nodiscard]] const std::vector<ListedPeer>& peers() const { return peers_; }
  [[nodiscard]] std::vector<ListedConnection>& sockets() { return sockets_; }
  [[nodiscard]] const std::vector<ListedConnection>& sockets() const { return sockets_; }
  [[nodiscard]] const std::vector<UnlistedPod>& unlisted() const { return unlisted_; }
  /// Whether it is all that was asked for.
  [[nodiscard]] bool is_whole() const;

 private:
  ConnectionQuery query_;
  std::uint64_t total_ = 0;
  bool cut_ = false;
  std::vector<ListedPeer> peers_;
  std::vector<ListedConnection> sockets_;
  std::vector<UnlistedPod> unlisted_;
};

/// As a table for a terminal, and as JSON (docs/schema/connections.schema.json).
std::string connections_table(const ConnectionListing& listing, const Snapshot& snapshot);
std::string connections_json(const ConnectionListing& listing, const Snapshot& snapshot);

}  // namespace closewatch
