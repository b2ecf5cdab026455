// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace closewatch::bench {

/// A Markdown table: a whole scan by each engine, what others pay, and the least that one walk
/// costs.
void print_engine_cost();
/// The same with 100,000 sockets over more and more namespaces.
void print_flatness();

}  // namespace closewatch::bench
