// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "closewatch/base/bytes.h"
#include "closewatch/base/result.h"

namespace closewatch {

/// A NETLINK_SOCK_DIAG socket: requests go out, datagrams come in. It answers for the network
/// namespace in which it was made, wherever its thread goes later. Not thread-safe.
class NetlinkChannel {
 public:
  NetlinkChannel() = default;
  NetlinkChannel(const NetlinkChannel&) = delete;
  NetlinkChannel& operator=(const NetlinkChannel&) = delete;
  virtual ~NetlinkChannel() = default;

  /// The address that the kernel puts into every answer.
  [[nodiscard]] virtual std::uint32_t port_id() const = 0;
  /// SO_NETNS_COOKIE, nullopt before Linux 5.14.
  [[nodiscard]] virtual std::optional<std::uint64_t> namespace_cookie() const = 0;
  virtual Result<void> send(Bytes request) = 0;
  /// One datagram into `buffer`; returns its size. A datagram that does not fit is an error
  /// (kMalformed), never cut.
  virtual Result<std::size_t> receive(std::span<std::byte> buffer) = 0;
};

/// Makes channels, one for each reading.
class NetlinkOpener {
 public:
  NetlinkOpener() = default;
  NetlinkOpener(const NetlinkOpener&) = delete;
  NetlinkOpener& operator=(const NetlinkOpener&) = delete;
  virtual ~NetlinkOpener() = default;

  /// A fresh channel inside the network namespace behind the descriptor `network_namespace`.
  virtual Result<std::unique_ptr<NetlinkChannel>> open(int network_namespace) = 0;
};

/// The real ones, over libmnl and setns(2). Belongs to one thread: `open` takes the calling thread
/// into the namespace and home again, where home is the namespace it was made in. Entering needs
/// CAP_SYS_ADMIN; the home namespace itself is reached without.
Result<std::unique_ptr<NetlinkOpener>> make_netlink_opener();

}  // namespace closewatch
