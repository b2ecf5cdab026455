#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/http/listen_address.h"
#include "closewatch/http/message.h"

namespace closewatch::http {

/// Asks the server of this machine that listens on `address` (every address: over loopback), as
/// long as no step takes longer than `patience`. An answer that ends too early is an error. Blocks.
Result<Response> get(const ListenAddress& address, std::string_view path,
                     std::chrono::seconds patience);

/// All that a server sent until it closed the connection, read as HTTP/1.0. Pure.
Result<Response> parse_response(std::string_view bytes);

}  // namespace closewatch::http
