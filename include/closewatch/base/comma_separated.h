// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace closewatch {

/// The words of "a, b,c" without the blanks around them; none of "". Two commas in a row have an
/// empty word between them. The words are parts of `list`.
std::vector<std::string_view> comma_separated(std::string_view list);

}  // namespace closewatch
