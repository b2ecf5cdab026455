// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch::bench {

/// Memory and scrape latency of the running agent.
void print_agent_cost(const std::string& binary);
/// What it costs as it runs for ever, by engine, its witness included.
void print_everyday_cost(const std::string& binary);

}  // namespace closewatch::bench
