// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace closewatch {

/// The descriptors that the service manager has opened for this process or for its parent
/// (sd_listen_fds(3)): by LISTEN_FDS, of LISTEN_PID. None, mostly. Before there is a second thread.
std::vector<int> inherited_sockets();

}  // namespace closewatch
