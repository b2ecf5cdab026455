#pragma once

#include <string>
#include <string_view>

namespace closewatch::http {

/// `text` in gzip's format (RFC 1952), at the level that is cheapest. Empty when zlib fails, which
/// it does for lack of memory only.
std::string gzip(std::string_view text);

}  // namespace closewatch::http
