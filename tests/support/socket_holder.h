// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "tests/support/network_namespace.h"

#include "closewatch/base/unique_fd.h"

namespace closewatch::testing {

/// A child process inside a namespace that holds sockets of its own, where one process has too few
/// descriptors for all. It ends with the object, and with its parent.
class SocketHolder {
 public:
  SocketHolder(const NetworkNamespace& space, const std::function<std::vector<UniqueFd>()>& make);
  /// In the namespace that the caller is in.
  explicit SocketHolder(const std::function<std::vector<UniqueFd>()>& make);
  SocketHolder(SocketHolder&& other) noexcept;
  SocketHolder& operator=(SocketHolder&&) = delete;
  SocketHolder(const SocketHolder&) = delete;
  SocketHolder& operator=(const SocketHolder&) = delete;
  ~SocketHolder();

  /// Throws when the child could not make its sockets.
  void wait_until_ready() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  UniqueFd ready_;
};

}  // namespace closewatch::testing
