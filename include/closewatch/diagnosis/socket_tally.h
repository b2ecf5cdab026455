// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "closewatch/diagnosis/close_wait_socket.h"
#include "closewatch/diagnosis/state_counts.h"
#include "closewatch/kernel/socket_source.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// The accept queues of all listeners of one port: of each address, family and SO_REUSEPORT socket.
struct ListenBacklog {
  std::uint16_t port = 0;
  std::uint64_t sockets = 0;  ///< connections that wait for accept()
  /// As listen(2) was told, within net.core.somaxconn; nullopt: not known. A queue admits one more
  /// than that (sk_acceptq_is_full() in include/net/sock.h), so one of 0 holds one connection.
  std::optional<std::uint64_t> limit = 0;

  /// Another's queues as well; the limit is known when both are.
  void add(const ListenBacklog& other);
  /// Whether the next connection is dropped. Not where the limit is not known.
  [[nodiscard]] bool is_full() const { return limit && sockets > *limit; }
  /// What queues are compared by: the share of what it holds (1: full; without a limit just how
  /// many wait), then how many wait.
  [[nodiscard]] std::pair<double, std::uint64_t> fullness() const;
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

/// Adds up the rows of a pod, namespace by namespace, and keeps those in CLOSE_WAIT. Keeps its
/// memory from pod to pod, so that counting allocates nothing for a socket, but for more sockets in
/// CLOSE_WAIT than ever before.
class SocketTally final : public RowSink {
 public:
  /// Another pod begins: forgets everything. Makes room for so many sockets in CLOSE_WAIT, and some
  /// more, at once, as growing step by step takes twice the memory in between.
  void begin_pod(const std::vector<ContainerCgroup>& cgroups, std::size_t expected = 0);
  /// Another namespace of the same pod begins: only what restart() forgets is of it.
  void begin_namespace();

  void restart() override;
  void row(const SocketRow& row) override;
  void counted(const SocketCount& count) override { sums_.states.add(count.state, count.sockets); }
  void port_in_use(std::uint16_t port) override {
    ports_in_use_.set(port);
    any_port_in_use_ = true;
  }

  /// What the namespace's rows since restart() add up to. O(listeners · log listeners).
  const SocketSums& sums();
  /// Whether the namespace has a socket of this local port that does not listen.
  [[nodiscard]] bool has_sockets(std::uint16_t port) const { return ports_in_use_.test(port); }
  /// Whether a listener of the namespace accepts what is for other addresses (IP_TRANSPARENT).
  [[nodiscard]] bool has_transparent_listener() const { return transparent_listener_; }
  /// The namespace's sockets in CLOSE_WAIT.
  [[nodiscard]] std::span<CloseWaitSocket> close_wait() {
    return std::span(close_wait_).subspan(namespace_begin_);
  }
  /// Those of all the pod's namespaces.
  [[nodiscard]] std::span<CloseWaitSocket> pod_close_wait() { return close_wait_; }
  /// Whether any row of the pod was of a whole socket, not of what the kernel keeps of one; whether
  /// any named a cgroup that is known; whether any had tcp_info.
  [[nodiscard]] bool saw_full_socket() const { return saw_full_socket_; }
  [[nodiscard]] bool saw_cgroup_id() const { return saw_cgroup_id_; }
  [[nodiscard]] bool saw_tcp_info() const { return saw_tcp_info_; }
  /// Gives back memory that only an uncommon number of sockets needs.
  void trim();

 private:
  static constexpr std::size_t kPorts = 65'536;

  [[nodiscard]] ContainerIndex container_of(const SocketRow& row) const;

  SocketSums sums_;
  std::bitset<kPorts> ports_in_use_;  ///< 8 KiB, which are cleared only when they have to be
  bool any_port_in_use_ = false;
  bool transparent_listener_ = false;
  std::vector<CloseWaitSocket> close_wait_;
  std::size_t namespace_begin_ = 0;
  std::vector<ContainerCgroup> cgroups_;  ///< by id
  bool saw_full_socket_ = false;
  bool saw_cgroup_id_ = false;
  bool saw_tcp_info_ = false;
};

}  // namespace closewatch
