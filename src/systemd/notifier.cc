// SPDX-License-Identifier: Apache-2.0
#include "closewatch/systemd/notifier.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "closewatch/base/unique_fd.h"
#include "closewatch/base/whole_number.h"
#include "systemd/environment.h"

namespace closewatch {
Notifier Notifier::from_environment() { return Notifier(std::string(variable("NOTIFY_SOCKET"))); }

bool Notifier::tell(std::string_view word) const {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const bool is_name = socket_.starts_with('@') || socket_.starts_with('/');
  if (!is_name || socket_.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(&address.sun_path[0], socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // unix(7): abstract
  const UniqueFd sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  return ::sendto(sender.get(), word.data(), word.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address),
                  length) == static_cast<ssize_t>(word.size());
}

std::optional<std::chrono::microseconds> watchdog_period() {
  const auto period = whole_number<std::uint64_t>(variable("WATCHDOG_USEC"));
  constexpr auto kMost = static_cast<std::uint64_t>(std::chrono::microseconds::max().count());
  if (!period || *period == 0 || *period > kMost) return std::nullopt;
  if (!is_for_this_program("WATCHDOG_PID", true)) return std::nullopt;
  return std::chrono::microseconds(*period);
}

}  // namespace closewatch
