// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

/// What the file that a process runs (Process::program()) says of container runtimes. All pure.
namespace closewatch {

/// Whether it is the host's side of a sandbox, as gVisor's and Kata Containers' are: their pods
/// have a network stack of their own, so the host's namespace shows zeros that are not the pod's.
/// Hypervisors are among them, which an ordinary pod may run as well: so a pod is sandboxed only
/// when it runs nothing else.
bool is_sandbox_program(std::string_view path);

/// Whether it may be a runtime that is on its way into a container: runc or crun, or a copy of
/// theirs that has no name any more (runc runs from a memfd or an unlinked file,
/// libcontainer/dmz/cloned_binary_linux.go).
bool may_be_runtime_program(std::string_view path);

}  // namespace closewatch
