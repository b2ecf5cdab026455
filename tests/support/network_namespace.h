// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "closewatch/base/unique_fd.h"

namespace closewatch::testing {

/// A real, named network namespace with its loopback up, as `ip netns add` makes it. Its name is
/// gone from /run/netns with the object; the namespace itself lives as long as sockets in it.
class NetworkNamespace {
 public:
  enum class Resident : bool { kNone, kOne };

  /// `furnish` runs inside, before the namespace gets its name: whoever sees the name sees it all.
  explicit NetworkNamespace(const std::string& name, const std::function<void()>& furnish = {},
                            Resident resident = Resident::kOne);
  NetworkNamespace(NetworkNamespace&& other) noexcept;
  NetworkNamespace& operator=(NetworkNamespace&&) = delete;
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;
  ~NetworkNamespace();

  /// With this process's number in it, so that tests can run side by side.
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string path() const { return "/run/netns/" + name_; }
  [[nodiscard]] UniqueFd open() const;
  /// A process that lives in it and does nothing; 0 without.
  [[nodiscard]] pid_t resident() const { return resident_; }

  /// Runs `work` on a thread of its own inside the namespace, to its end.
  void run(const std::function<void()>& work) const;
  /// Lets nothing of what is sent arrive, or all again.
  void cut_wire(bool cut) const;
  /// Writes a file of /proc/sys as the namespace sees it; `key` as "net.ipv4.tcp_syncookies".
  void sysctl(const std::string& key, const std::string& value) const;

 private:
  void start_resident();

  std::string name_;
  pid_t resident_ = 0;
};

/// Polls until `condition` holds; throws after a generous while, naming what it waited for.
void wait_until(const std::string& what, const std::function<bool()>& condition);

}  // namespace closewatch::testing
