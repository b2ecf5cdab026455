// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch {

/// The text with each byte that is not printable ASCII as '?'. Names of processes and files may
/// hold any byte, a label or a JSON string only UTF-8: one bad byte and Prometheus refuses the
/// whole scrape. Pure.
std::string printable(std::string text);

}  // namespace closewatch
