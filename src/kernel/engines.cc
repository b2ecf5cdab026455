// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/engines.h"

#include <utility>

#include "kernel/bpf_source.h"
#include "kernel/inet_diag_source.h"
#include "kernel/procfs_source.h"

namespace closewatch {

Result<std::unique_ptr<SocketSource>> make_inet_diag_source() {
  auto opener = make_netlink_opener();
  if (!opener) return tl::unexpected(opener.error());
  return std::make_unique<InetDiagSource>(std::move(*opener));
}

Result<std::unique_ptr<SocketSource>> make_bpf_source(std::vector<std::string>& details) {
  WalkLoading loading;
  loading.refused = [&](const std::string& log) {
    details.push_back("a form of the bpf engine's program was refused:\n" + log);
  };
  auto program = load_walk_program(loading);
  if (!program) return tl::unexpected(program.error());
  auto source = std::make_unique<BpfSource>(std::move(*program));
  if (auto working = source->check(); !working) return tl::unexpected(working.error());
  return source;
}

std::unique_ptr<SocketSource> make_procfs_source() { return std::make_unique<ProcfsSource>(); }

}  // namespace closewatch
