// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "closewatch/base/unique_fd.h"
#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace boost::asio {
class io_context;
}

namespace closewatch::crossing {

/// What the scanner's end gives, and takes. All of it must outlive the end.
struct ScannerParts {
  const SnapshotStore& snapshots;
  PodDirectory& names;          ///< becomes what the network's process has been told
  std::function<bool()> alive;  ///< whether the scan loop lives
  OwnersOf owners_of;           ///< is called in a thread of the end's own
  pid_t network;                ///< the process at the other end
  /// Is told once that nothing comes any more, and why; with an empty text, when the other end was
  /// closed.
  std::function<void(const std::string& why)> ended;
  std::function<void(const std::string& what)> complain;  ///< what the log is to say
};

/// The scanner's end of what joins it with the network's process. It takes nothing from there on
/// trust: what comes is bounded in length and number, and checked; the first that is not right ends
/// it. What can come are the names of pods, and questions for the processes of sockets, one at a
/// time. Belongs to the thread of its context, but for publish().
class ScannerEnd {
 public:
  static std::unique_ptr<ScannerEnd> open(boost::asio::io_context& context, UniqueFd socket,
                                          ScannerParts parts);
  ScannerEnd() = default;
  ScannerEnd(const ScannerEnd&) = delete;
  ScannerEnd& operator=(const ScannerEnd&) = delete;
  /// Waits for the pod that is being looked through.
  virtual ~ScannerEnd() = default;

  /// Sends the last snapshot. If the other end is slow the next one may take its place.
  /// Thread-safe.
  virtual void publish() = 0;
  /// Nothing goes or comes any more, and the other end is told: the network's process ends.
  virtual void close() = 0;
  /// Whether the network's process has told that it serves.
  [[nodiscard]] virtual bool is_ready() const = 0;
  /// Whether it has answered within the last half minute.
  [[nodiscard]] virtual bool is_heard() const = 0;
};

}  // namespace closewatch::crossing
