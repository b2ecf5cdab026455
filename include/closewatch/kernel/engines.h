// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_source.h"

namespace closewatch {

/// Namespace by namespace, by netlink. Belongs to the thread that makes it. Errors: kSystem.
Result<std::unique_ptr<SocketSource>> make_inet_diag_source();

/// All namespaces in one walk, by a program in the kernel. Errors are sentences that name what is
/// missing: kUnsupported, kDenied, kSystem. `details` gets all that libbpf and the kernel said of a
/// form of the program that was refused: megabytes, at times.
Result<std::unique_ptr<SocketSource>> make_bpf_source(std::vector<std::string>& details);

/// From the text of /proc/PID/net, for namespaces that are opened by NamespaceAccess::kText.
std::unique_ptr<SocketSource> make_procfs_source();

}  // namespace closewatch
