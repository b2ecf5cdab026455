// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace closewatch::http {

/// A segment of a URL's path (RFC 3986), in which nothing has a meaning. Pure.
std::string url_segment(std::string_view text);

}  // namespace closewatch::http
