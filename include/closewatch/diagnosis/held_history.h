// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/diagnosis/close_wait_socket.h"
#include "closewatch/diagnosis/diagnosis.h"
#include "closewatch/diagnosis/owner.h"
#include "closewatch/diagnosis/peer.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// A container's held sockets.
struct ContainerHeld {
  std::string container;
  std::uint64_t sockets = 0;

  bool operator==(const ContainerHeld&) const = default;
};

/// A held socket that is listed. Its `age` is that of the reading.
struct ListedHeld {
  CloseWaitSocket socket;  ///< as one that owes close()
  pid_t pid = 0;           ///< of a process that holds it
  std::string comm;
};

/// A pod's sockets whose connections are over while a process holds their descriptors.
struct HeldDiagnosis {
  std::chrono::steady_clock::time_point read_at;
  std::vector<ContainerHeld> containers;  ///< by label, each once: all that have a name (or
                                          ///< kUnknownContainer when none has), zeros included, and
                                          ///< others that hold some, among them kOtherPod
  std::uint64_t entered = 0;  ///< since the pod is watched, what was held first in a later reading
  std::chrono::nanoseconds oldest{};  ///< at the reading: held for at least so long
  /// Of those that left CLOSE_WAIT since the pod is watched, see CloseWaitHistory::take_left():
  /// what nobody held at the reading after that, as the application had closed it, and what
  /// somebody did, as the kernel had given up the connection.
  std::uint64_t left_closed = 0;
  std::uint64_t left_held = 0;
  std::vector<PeerSums> peers;      ///< see worst_peers()
  std::vector<OwnerSums> owners;    ///< of the sockets of kOtherPod, see merged_owners()
  std::vector<ListedHeld> sockets;  ///< the oldest, as many as are listed

  [[nodiscard]] std::uint64_t total() const;
  /// Adds what a pod of the same name has, but for its list of sockets.
  void add(const HeldDiagnosis& other, std::size_t peer_count);
};

/// What one reading has found of a pod, and what it is to be compared with.
struct HeldReading {
  std::chrono::steady_clock::time_point at;
  std::vector<ListedHeld> sockets;    ///< of which container and direction are known
  std::vector<std::uint32_t> ending;  ///< inode numbers of those that wait for the last ACK
  std::vector<std::uint32_t> left;    ///< of those that have left CLOSE_WAIT
};

/// The held sockets of a pod through its readings: 16 bytes for each.
class HeldHistory {
 public:
  /// `newborn`: the pod began after the agent did, so that even what its first reading shows has
  /// come to be held since.
  explicit HeldHistory(bool newborn) : counts_entries_(newborn) {}

  /// Sets the ages of its sockets, and puts them into another order. What comes of it may be
  /// completed by its owners. O(n log n).
  HeldDiagnosis& observe(HeldReading& reading, const Pod& pod, const DiagnosisSettings& settings);
  /// Nothing is known until the next reading.
  void forget() { last_.reset(); }
  /// What the last reading came to; nullptr when there was none.
  [[nodiscard]] std::shared_ptr<const HeldDiagnosis> last() const { return last_; }

 private:
  struct Known {
    std::uint64_t cookie;
    std::chrono::steady_clock::time_point since;
  };

  void set_ages(std::chrono::steady_clock::time_point now, std::vector<ListedHeld>& sockets);
  void judge_left(HeldReading& reading);

  std::vector<Known> known_;  ///< by cookie
  bool counts_entries_;
  std::uint64_t entered_ = 0;
  std::uint64_t left_closed_ = 0;
  std::uint64_t left_held_ = 0;
  std::vector<std::uint32_t> undecided_;  ///< inode numbers of what had left and was ending
  std::shared_ptr<HeldDiagnosis> last_;
};

}  // namespace closewatch
