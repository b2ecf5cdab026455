// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace closewatch {

/// The ways to read sockets out of the kernel, one SocketSource each.
enum class Engine : std::uint8_t {
  kInetDiag,  ///< netlink, namespace by namespace
  kBpf,       ///< one walk for all namespaces
  kProcfs,    ///< /proc/PID/net/tcp and tcp6, as text
};
inline constexpr std::array kEngines = {Engine::kInetDiag, Engine::kBpf, Engine::kProcfs};

/// "inet_diag", "bpf", "procfs": the label's value, and what `--scan.engine` takes.
std::string_view name_of(Engine engine);

}  // namespace closewatch
