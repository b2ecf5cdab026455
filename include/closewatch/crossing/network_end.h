// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/unique_fd.h"
#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/node/process_stats.h"
#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/snapshot.h"

namespace boost::asio {
class io_context;
}

namespace closewatch::crossing {

/// The network's end of what joins it with the scanner: snapshots come, names and questions go.
/// Belongs to the thread of its context, but for find_owners().
class NetworkEnd {
 public:
  /// Is told once that nothing comes any more, and why; with an empty text, when the scanner has
  /// ended.
  using OnEnd = std::function<void(const std::string& why)>;

  /// Puts what comes into `snapshots`, which must outlive it.
  static std::unique_ptr<NetworkEnd> open(boost::asio::io_context& context, UniqueFd socket,
                                          SnapshotStore& snapshots, OnEnd on_end);
  NetworkEnd() = default;
  NetworkEnd(const NetworkEnd&) = delete;
  NetworkEnd& operator=(const NetworkEnd&) = delete;
  virtual ~NetworkEnd() = default;

  virtual void tell_ready() = 0;
  /// All of them, once there is an answer of the API server; `names` must outlive this.
  virtual void tell_names(const PodDirectory& names) = 0;
  /// Whether the scan loop lives, as far as the scanner has told lately.
  [[nodiscard]] virtual bool alive() const = 0;
  /// Of both processes: of this one's CPU as of now, all else as of some seconds ago.
  [[nodiscard]] virtual ProcessStats process_stats() const = 0;
  /// As SocketOwners::find(), by the scanner. Waits for its answer, not longer than some seconds;
  /// not at all once close() was called. From one other thread.
  virtual SocketOwnerList find_owners(const Pod& pod, std::vector<std::uint32_t> inodes) = 0;
  /// Whoever waits has waited enough. Thread-safe.
  virtual void close() = 0;
};

}  // namespace closewatch::crossing
