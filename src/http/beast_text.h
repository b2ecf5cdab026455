// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <boost/beast/core/string.hpp>

namespace closewatch::http {

/// Beast's own type of text as the standard's.
inline std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace closewatch::http
