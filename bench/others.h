// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/cpu.h"
#include "bench/tenants.h"

namespace closewatch::bench {

/// CPU for merely reading /proc/PID/net/tcp and tcp6 of one process in each namespace, not parsing
/// it.
Cost text_cost(const Tenants& tenants);
/// CPU of `ss -tan` in each namespace.
Cost ss_cost(const Tenants& tenants);

}  // namespace closewatch::bench
