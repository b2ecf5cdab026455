// SPDX-License-Identifier: Apache-2.0
#include "bench/others.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bench/agent_process.h"
#include "closewatch/base/file.h"

namespace closewatch::bench {
namespace {

void read_text(const testing::SocketHolder& holder, std::vector<char>& buffer) {
  for (const auto* const file : {"/net/tcp", "/net/tcp6"}) {
    const auto path = "/proc/" + std::to_string(holder.pid()) + file;
    const auto fd = open_at(kWorkingDirectory, path.c_str(), O_RDONLY);
    if (!fd) throw std::runtime_error(fd.error().what);
    while (::read(fd->get(), buffer.data(), buffer.size()) > 0) {
    }
  }
}

}  // namespace

Cost text_cost(const Tenants& tenants) {
  std::vector<char> buffer(std::size_t{64} << 10U);
  return median(RUSAGE_SELF, [&] {
    for (const auto& holder : tenants.holders()) read_text(holder, buffer);
  });
}

Cost ss_cost(const Tenants& tenants) {
  return median(RUSAGE_CHILDREN, [&] {
    for (const auto& space : tenants.spaces()) {
      ::waitpid(spawn({"ss", "-N", space.name(), "-tan"}), nullptr, 0);
    }
  });
}

}  // namespace closewatch::bench
