// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/http/host_names.h"
#include "closewatch/http/listen_address.h"
#include "closewatch/http/message.h"

namespace boost::asio {
class io_context;
}

namespace closewatch::http {

/// A GET, or with a body a POST. The Host header is made from the server's address.
struct Question {
  std::string target;  ///< path and query, encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::seconds silence;  ///< after how long without a byte it is given up
  /// Of the answer with all that frames it; for a longer one on_end follows with kOverLimit.
  std::uint64_t most_bytes;
  /// When it is given up, however much comes.
  std::optional<std::chrono::steady_clock::time_point> until{};
  std::optional<std::string> body{};  ///< of what type it is says a header
};

/// What comes before an answer's body.
struct AnswerHead {
  unsigned status = 0;
  std::optional<std::chrono::seconds> retry_after;
  std::string content_type;
  bool says_where_it_ends = true;  ///< else with the connection, whole or not
  HostNames server_names{};        ///< in its certificate, over TLS
};

/// Who wants the answer: on_answer once, on_body as it comes, on_end once, whatever happened
/// (without on_answer, if there was none).
class Receiver {
 public:
  Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  virtual ~Receiver() = default;

  virtual void on_answer(const AnswerHead& head) = 0;
  /// Whether to go on; if not, on_end follows with success.
  virtual bool on_body(std::string_view piece) = 0;
  virtual void on_end(const Result<void>& result) = 0;
};

/// A server that proves by a certificate who it is.
struct TlsServer {
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::string port;
  std::string ca_file;  ///< in PEM's form, read at each question
};

/// Asks over a connection of its own, in HTTP/1.1. Returns at once; everything happens on the
/// thread of `context`. `receiver` must live until on_end, or until the context runs no more.
void ask(boost::asio::io_context& context, const TlsServer& server, const Question& question,
         Receiver& receiver);

/// Of an answer that is kept whole, with all that frames it.
inline constexpr std::uint64_t kMostOfAnswer = std::uint64_t{64} << 20U;

/// A connection to a server of this machine, kept alive. Blocks. Not thread-safe.
class Connection {
 public:
  /// To who listens on `address` (every address: over loopback). Neither that nor an answer, its
  /// first byte to its last, may take longer than `patience`. Errors: kSystem.
  static Result<Connection> open(const ListenAddress& address, std::chrono::seconds patience);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// The whole answer, of `most_bytes` at most. One that ends too early, or does not say how long
  /// it is, is an error: kSystem, kMalformed, kOverLimit. After an error the connection is of no
  /// more use.
  Result<Response> get(std::string_view path,
                       std::vector<std::pair<std::string, std::string>> headers = {},
                       std::uint64_t most_bytes = kMostOfAnswer);

 private:
  class Kept;
  explicit Connection(std::unique_ptr<Kept> kept);
  std::unique_ptr<Kept> kept_;
};

/// Where a server is that is named as HOST:PORT or [IPv6]:PORT, HOST being an address or a name:
/// the first of its addresses. Blocks. Errors: kMalformed, kSystem.
Result<ListenAddress> look_up(std::string_view server);

/// Asks once, over a connection of its own.
Result<Response> get(const ListenAddress& address, std::string_view path,
                     std::chrono::seconds patience, std::uint64_t most_bytes = kMostOfAnswer);

}  // namespace closewatch::http
