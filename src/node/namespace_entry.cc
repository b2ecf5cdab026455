// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/namespace_entry.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

// Not /proc/self: that is the main thread's namespace, not ours.
constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";

Result<bool> stands_in(int network_namespace) {
  struct stat own {};
  struct stat other {};
  if (::stat(kOwnNamespace, &own) < 0 || ::fstat(network_namespace, &other) < 0) {
    return fail_errno(errno, "identifying a network namespace");
  }
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

}  // namespace

Result<NamespaceEntry> NamespaceEntry::make() {
  auto home = open_at(kWorkingDirectory, kOwnNamespace, O_RDONLY);
  if (!home) return tl::unexpected(home.error());
  return NamespaceEntry(std::move(*home));
}

Result<void> NamespaceEntry::run(int network_namespace, const std::function<void()>& work) const {
  const auto there = stands_in(network_namespace);
  if (!there) return tl::unexpected(there.error());
  if (*there) {
    work();
    return {};
  }
  if (::setns(network_namespace, CLONE_NEWNET) < 0) {
    if (errno == EPERM) {
      return fail(ErrorKind::kDenied,
                  "entering a network namespace: CAP_SYS_ADMIN is missing; add SYS_ADMIN to the "
                  "container's capabilities, or run as root");
    }
    return fail_errno(errno, "entering a network namespace");
  }
  work();
  if (::setns(home_.get(), CLONE_NEWNET) < 0) return fail_errno(errno, "leaving a namespace");
  return {};
}

}  // namespace closewatch
