// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/engine.h"

#include <cstddef>

namespace closewatch {

std::string_view name_of(Engine engine) {
  constexpr std::array<std::string_view, kEngines.size()> kNames = {"inet_diag", "bpf", "procfs"};
  return kNames.at(static_cast<std::size_t>(engine));
}

}  // namespace closewatch
