// SPDX-License-Identifier: Apache-2.0
#include "confinement/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "closewatch/base/unique_fd.h"

namespace closewatch {
namespace {

// What the header of the kernel that this is built with may lack: linux/landlock.h of Linux 6.12.
// A kernel takes a longer structure than its own where the rest of it is zero (landlock(7)).
struct Ruleset {
  std::uint64_t files;
  std::uint64_t ports;   // version 4
  std::uint64_t scoped;  // version 6
};
struct PortRule {
  std::uint64_t allowed;
  std::uint64_t port;
};
constexpr int kPortRule = 2;  // LANDLOCK_RULE_NET_PORT
constexpr std::uint64_t kBind = 1U << 0U;
constexpr std::uint64_t kConnect = 1U << 1U;
constexpr std::uint64_t kScopes = (1U << 0U) | (1U << 1U);  // abstract sockets, signals
constexpr int kVersionOfPorts = 4;
constexpr int kVersionOfScopes = 6;

/// Every right over files there is in a version: 13 bits at first, then LANDLOCK_ACCESS_FS_REFER,
/// _TRUNCATE and _IOCTL_DEV.
std::uint64_t rights_of(int version) {
  constexpr int kBitsAtFirst = 13;
  constexpr int kVersionOfRefer = 2;
  constexpr int kVersionOfTruncate = 3;
  constexpr int kVersionOfIoctl = 5;
  const auto bits = kBitsAtFirst + static_cast<int>(version >= kVersionOfRefer) +
                    static_cast<int>(version >= kVersionOfTruncate) +
                    static_cast<int>(version >= kVersionOfIoctl);
  return (std::uint64_t{1} << static_cast<unsigned>(bits)) - 1;
}

/// What is not there, or cannot be got at, cannot be read anyway.
bool is_out_of_reach(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

Result<void> allow_reading(int rules, const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!file.valid() && is_out_of_reach(errno)) return {};
  struct stat found {};
  if (!file.valid() || ::fstat(file.get(), &found) != 0) return fail_errno(errno, path);
  landlock_path_beneath_attr rule{LANDLOCK_ACCESS_FS_READ_FILE, file.get()};
  if (S_ISDIR(found.st_mode)) rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return fail_errno(errno, "landlock_add_rule of " + path);
  }
  return {};
}

Result<void> allow_port(int rules, std::uint16_t port) {
  const PortRule rule{kConnect, port};
  if (::syscall(SYS_landlock_add_rule, rules, kPortRule, &rule, 0) == 0) return {};
  return fail_errno(errno, "landlock_add_rule of a port");
}

}  // namespace

Result<void> confine_files(const Confines& confines) {
  const auto version = static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (version < 1) {
    return fail(errno == EPERM ? ErrorKind::kDenied : ErrorKind::kUnsupported,
                errno == ENOSYS       ? "the kernel has no Landlock, which came with Linux 5.13"
                : errno == EOPNOTSUPP ? "Landlock is not switched on: add it to the kernel's lsm="
                                      : "Landlock is refused");
  }
  const bool knows_ports = version >= kVersionOfPorts;
  const Ruleset handled{rights_of(version), knows_ports ? kBind | kConnect : 0,
                        version >= kVersionOfScopes ? kScopes : 0};
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0)));
  if (!rules.valid()) return fail_errno(errno, "landlock_create_ruleset");
  for (const auto& path : confines.readable) {
    if (auto allowed = allow_reading(rules.get(), path); !allowed) return allowed;
  }
  if (knows_ports && confines.asks_at_port) {
    if (auto allowed = allow_port(rules.get(), *confines.asks_at_port); !allowed) return allowed;
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return fail_errno(errno, "landlock_restrict_self");
  }
  return {};
}

}  // namespace closewatch
