// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace closewatch {

/// What a confined process is left.
struct Confines {
  std::vector<std::string> readable{};          ///< files and directories, with all that is below
  std::optional<std::uint16_t> asks_at_port{};  ///< nullopt: it opens no connection
};

/// What of it the kernel enforces, and a sentence for each means that it lacks.
struct Confinement {
  bool capabilities = false;  ///< there are none, and none can be gained
  bool system_calls = false;  ///< those alone that such a process makes
  bool files = false;         ///< those alone that are readable, and nothing is written
  std::vector<std::string> missing{};
};

/// Gives up for good what a process does not need that talks to the network: capabilities, most
/// system calls (seccomp), files and, from Linux 6.7 on, ports (Landlock). What the kernel does not
/// have is left out, and told. Descriptors that are open stay as they are. Before there is a second
/// thread: each thread has its own capabilities and its own Landlock.
Confinement confine(const Confines& confines);

}  // namespace closewatch
