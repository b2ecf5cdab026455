// SPDX-License-Identifier: Apache-2.0
#include "closewatch/systemd/inherited_sockets.h"

#include <fcntl.h>

#include "closewatch/base/whole_number.h"
#include "systemd/environment.h"

namespace closewatch {

std::vector<int> inherited_sockets() {
  constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  constexpr int kMost = 64;
  const auto count = whole_number<int>(variable("LISTEN_FDS"));
  if (!count || *count > kMost || !is_for_this_program("LISTEN_PID", false)) return {};
  std::vector<int> sockets;
  for (int fd = kFirst; fd < kFirst + *count; ++fd) {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) sockets.push_back(fd);
  }
  return sockets;
}

}  // namespace closewatch
