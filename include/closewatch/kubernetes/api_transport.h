#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"

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

/// One GET.
struct ApiRequest {
  std::string target;            ///< path and query, encoded
  std::string accept;            ///< media types, the first that the server knows is taken
  std::chrono::seconds silence;  ///< after how long without a byte it is given up
};

struct ApiAnswer {
  unsigned status = 0;
  std::optional<std::chrono::seconds> retry_after;
};

/// Who wants the answer: on_answer once, on_body as it comes, on_end once, whatever happened
/// (without on_answer, if there was none).
class ApiReceiver {
 public:
  ApiReceiver() = default;
  ApiReceiver(const ApiReceiver&) = delete;
  ApiReceiver& operator=(const ApiReceiver&) = delete;
  virtual ~ApiReceiver() = default;

  virtual void on_answer(const ApiAnswer& answer) = 0;
  /// Whether to go on; if not, on_end follows with success.
  virtual bool on_body(std::string_view piece) = 0;
  virtual void on_end(const Result<void>& result) = 0;
};

/// Asks the API server, one request at a time. Everything happens on the thread of the io_context.
class ApiTransport {
 public:
  ApiTransport() = default;
  ApiTransport(const ApiTransport&) = delete;
  ApiTransport& operator=(const ApiTransport&) = delete;
  virtual ~ApiTransport() = default;

  /// Returns at once. `receiver` must live until on_end, or until the io_context runs no more.
  virtual void get(const ApiRequest& request, ApiReceiver& receiver) = 0;
};

/// HTTP/1.1 over TLS, with the service account's CA and token; a connection for each request.
std::unique_ptr<ApiTransport> make_api_transport(boost::asio::io_context& context,
                                                 ApiAccess access);

}  // namespace closewatch
