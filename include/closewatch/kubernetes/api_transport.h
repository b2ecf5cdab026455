// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "closewatch/http/client.h"

namespace boost::asio {
class io_context;
}

namespace closewatch {

/// Where the API server is and who asks.
struct ApiAccess {
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::string port;
  std::string service_account;  ///< the directory with `token` and `ca.crt`, read at each request:
                                ///< both are rotated
};

/// A GET, or with a body, which is JSON, a POST.
struct ApiRequest {
  std::string target;            ///< path and query, encoded
  std::string accept;            ///< media types, the first that the server knows is taken
  std::chrono::seconds silence;  ///< after how long without a byte it is given up
  std::uint64_t most_bytes;      ///< of the answer, all told; a longer one is an error
  /// When it is given up, however much comes.
  std::optional<std::chrono::steady_clock::time_point> until;
  std::optional<std::string> body{};
};

/// Asks the API server. Everything happens on the thread of the io_context.
class ApiTransport {
 public:
  ApiTransport() = default;
  ApiTransport(const ApiTransport&) = delete;
  ApiTransport& operator=(const ApiTransport&) = delete;
  virtual ~ApiTransport() = default;

  /// Returns at once. `receiver` must live until on_end, or until the io_context runs no more.
  virtual void ask(const ApiRequest& request, http::Receiver& receiver) = 0;
};

/// HTTP/1.1 over TLS, with the service account's CA and token; a connection for each request.
std::unique_ptr<ApiTransport> make_api_transport(boost::asio::io_context& context,
                                                 ApiAccess access);

}  // namespace closewatch
