// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace closewatch {

/// Text as it must stand in HTML to be shown as it is, between tags and in quoted attributes. Names
/// of namespaces, containers and processes may hold anything. Pure.
std::string html_text(std::string_view text);

}  // namespace closewatch
