// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "closewatch/diagnosis/close_wait_socket.h"
#include "closewatch/diagnosis/socket_tally.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// A network namespace, so named that a later one is not taken for it: by its cookie, which is
/// never reused, or by its inode number on kernels that have no SO_NETNS_COOKIE (before 5.14).
struct NamespaceIdentity {
  std::uint64_t cookie = 0;  ///< 0: none; then `id` counts
  NamespaceId id;

  auto operator<=>(const NamespaceIdentity&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// What one pod's earlier scans knew of its CLOSE_WAIT sockets: since when, and how many came and
/// went. 24 bytes for each socket that is in CLOSE_WAIT now, two for each port that listens.
/// A scan of the pod that fails is not told here, so it changes nothing.
///
/// The kernel may miss a socket that is there (see InetDiagSource). So one that was not in a
/// reading counts as gone only when it is not in the next either: if it is back, it has neither
/// left nor entered, and it is as old as it was. Nor has one entered that is new and was in
/// CLOSE_WAIT before the last reading, by its age: that reading missed it. Of so many that are not
/// there at once as to exceed kMissing, those beyond count as gone at once.
class CloseWaitHistory {
 public:
  /// How many sockets of a namespace are waited for.
  static constexpr std::size_t kMissing = 4096;
  /// How many of those that have left are named by take_left().
  static constexpr std::size_t kNamed = 65'536;

  /// `newborn`: the pod began after the agent did, so that even the sockets of its first scan have
  /// come between scans. Else those are what the counters start from, so that a restart of the
  /// agent looks like no leak. `names_left`: somebody asks for take_left().
  explicit CloseWaitHistory(bool newborn, bool names_left = false)
      : counts_entries_(newborn), names_left_(names_left) {}

  /// Takes a whole reading of one of the pod's namespaces, done at `now` or before, and sets
  /// direction and age of each of `tally`'s sockets in this namespace; puts them into another
  /// order. O(n log n) with n sockets in CLOSE_WAIT; allocates once.
  void observe(const NamespaceIdentity& space, std::chrono::steady_clock::time_point now,
               SocketTally& tally);
  /// What another engine has told is worth.
  enum class Trust : std::uint8_t { kAll, kWhatBothSay };
  /// Another engine reads from now on, which names sockets otherwise. `before` is what observe()
  /// has just seen of the namespace, `after` what the other engine sees of it now: by addresses
  /// they are the same sockets, and as old. What only one of the two has seen has come or gone
  /// meanwhile, as the next scan will show; unless the first engine is not to be believed: then
  /// what it alone has seen was never there. O(n log n).
  void rename(const NamespaceIdentity& space, std::chrono::steady_clock::time_point now,
              std::span<const CloseWaitSocket> before, std::span<const CloseWaitSocket> after,
              Trust trust = Trust::kAll);
  /// Likewise where the other engine could not read: no socket is known any more, and none has left
  /// or entered for that.
  void forget_names();
  /// A scan of the pod begins, whatever became of the one before.
  void begin_scan();
  /// All namespaces of the pod have been observed: what the others held has gone.
  void end_scan();

  /// Forgets the namespaces that this scan was the first to show, as if it had not: they have
  /// turned out to be another pod's.
  void disown_new();

  [[nodiscard]] std::uint64_t entered() const;  ///< came into CLOSE_WAIT
  [[nodiscard]] std::uint64_t left() const;     ///< went out of it, as far as that is certain
  [[nodiscard]] std::size_t sockets() const;    ///< in CLOSE_WAIT in the last scan
  /// The inode numbers of those that have left since this was asked last: of so many as kNamed, of
  /// those that had one, as nobody had accepted the others, and not of those whose namespace has
  /// gone.
  std::vector<std::uint32_t> take_left() { return std::exchange(left_inodes_, {}); }

 private:
  /// A socket in CLOSE_WAIT and the earliest moment that it is known to have been there.
  struct Known {
    std::uint64_t cookie;
    std::chrono::steady_clock::time_point since;
    std::uint32_t inode;
  };
  struct Space {
    std::vector<Known> sockets;        ///< by cookie
    std::vector<Known> missing;        ///< likewise: in the reading before the last only
    std::vector<std::uint16_t> ports;  ///< that listen, or did and have sockets left
    std::chrono::steady_clock::time_point read_at;  ///< the last reading
    std::uint64_t entered = 0;
    std::uint64_t left = 0;
    bool transparent_listener = false;  ///< there is one, or was
    bool seen = false;                  ///< in this scan
    bool fresh = true;                  ///< for the first time
  };

  static void update_ports(Space& space, SocketTally& tally);
  static void remember(std::vector<Known>& known, std::chrono::steady_clock::time_point now,
                       std::span<const CloseWaitSocket> sockets);
  void update_sockets(Space& space, std::chrono::steady_clock::time_point now,
                      std::span<CloseWaitSocket> sockets);
  void leave(Space& space, const Known& known);

  std::map<NamespaceIdentity, Space> spaces_;
  bool counts_entries_;         ///< of namespaces that are new
  bool counted_before_ = true;  ///< likewise, when this scan began
  bool names_left_;
  std::vector<std::uint32_t> left_inodes_;
  std::uint64_t entered_ = 0;  ///< in namespaces that have gone
  std::uint64_t left_ = 0;     ///< likewise
};

}  // namespace closewatch
