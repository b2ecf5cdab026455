// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch {

/// The text as it may be shown on a terminal, whoever it is from: each control character (below
/// 0x20 but newline and tab, 0x7f, and 0x80 to 0x9f in UTF-8) and each byte that is no UTF-8 as
/// '?'. Pure.
std::string terminal_text(std::string text);

}  // namespace closewatch
