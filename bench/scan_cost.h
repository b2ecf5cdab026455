#pragma once

#include <string>

namespace closewatch::bench {

/// Prints, as Markdown, what a scan costs on real namespaces, against what people do without
/// closewatch: reading the text of /proc/PID/net/tcp{,6}, and running ss.
void print_scan_cost();

/// Likewise the memory of an agent, and how long a scrape takes.
void print_agent_cost(const std::string& binary);

}  // namespace closewatch::bench
