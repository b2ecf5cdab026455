// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace closewatch {
namespace {

constexpr rlim_t kMostKept = 16'384;
constexpr rlim_t kShare = 8;

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, kShare * kMostKept));
  // Without it fewer are kept, and the scan costs more: nothing else.
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptors_to_keep() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return std::min(limit.rlim_cur / kShare, kMostKept);
}

}  // namespace closewatch
