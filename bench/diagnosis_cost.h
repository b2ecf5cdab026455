// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch::bench {

/// Prints, as Markdown, what a scan with diagnosis costs against one that only counts, and two ways
/// to come by the ages.
void print_diagnosis_cost();

/// Likewise what an agent needs to remember 200,000 sockets in CLOSE_WAIT.
void print_diagnosis_memory(const std::string& binary);

}  // namespace closewatch::bench
