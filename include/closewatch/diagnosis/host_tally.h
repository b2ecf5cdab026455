// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "closewatch/diagnosis/socket_tally.h"
#include "closewatch/kernel/socket_source.h"

namespace closewatch {

/// Splits the rows of the host's namespace: each hostNetwork pod gets the sockets that its cgroups
/// made, the node all others, among them every one in a state that may lack a cgroup.
/// O(log cgroups) for a row.
class HostTally final : public RowSink {
 public:
  HostTally() { begin({}); }

  /// Another scan begins, with these pods. Their tallies are numbered as they stand here.
  void begin(const std::vector<std::vector<ContainerCgroup>>& pods);

  void restart() override;
  void row(const SocketRow& row) override;
  void counted(const SocketCount& count) override;
  /// Nobody tells whose sockets they are: each may have been the one that listened.
  void port_in_use(std::uint16_t port) override;

  [[nodiscard]] SocketTally& node() { return node_; }
  [[nodiscard]] SocketTally& pod(std::size_t index) { return *pods_.at(index); }
  /// Whether the kernel has named any cgroup; if not, no pod has got what is its own.
  [[nodiscard]] bool saw_cgroup_id() const { return saw_cgroup_id_; }

 private:
  /// Whose a socket is that was made in this cgroup.
  SocketTally& owner_of(TcpState state, const std::optional<std::uint64_t>& cgroup_id);

  SocketTally node_;
  std::vector<std::unique_ptr<SocketTally>> pods_;
  std::vector<std::pair<std::uint64_t, SocketTally*>> claims_;  ///< by cgroup id
  bool saw_cgroup_id_ = false;
};

}  // namespace closewatch
