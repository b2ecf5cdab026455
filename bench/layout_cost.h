// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace closewatch::bench {

/// A Markdown table: what a scan of pods without sockets costs, by layout of the cgroup tree. What
/// this machine has mounted (v2 alone, or v1 and v2) decides which rows there are.
void print_layout_cost();

}  // namespace closewatch::bench
