#pragma once

#include <string>

namespace closewatch::bench {

/// Memory and scrape latency of the running agent.
void print_agent_cost(const std::string& binary);

}  // namespace closewatch::bench
