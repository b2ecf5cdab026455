// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/http/listen_address.h"
#include "closewatch/http/message.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace boost::asio::ssl {
class context;
}  // namespace boost::asio::ssl

namespace closewatch::http {

/// An HTTP/1.1 server on somebody's io_context. It keeps connections alive, packs answers with gzip
/// for whoever accepts it, and bounds what a client can hold: 512 connections (128 with TLS, fewer
/// where few descriptors may be open; three quarters for one client, which is a /64 of IPv6; the
/// one that has been waited longest for a request makes room for the next), 8 KiB of headers, 10 s
/// for a handshake of TLS, 10 s for a request and its answer, small buffers in the kernel. Answers
/// share what they have in common. Together they have 8 MiB at most, and an answer beyond is a 503,
/// but for those that are always given. 64 large ones are being taken at a time, and the next wait
/// for their turn; small ones, as those to probes, wait for nobody. Who takes its answer fast
/// enough for its time is never cut for others' sake. Where others wait, who has taken nothing for
/// half a second is, and then who is so slow that it would not have taken all in its time. A client
/// that has three times as many answers under way as large ones are free is told 503.
class Server {
 public:
  Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual ~Server() = default;

  /// Where it listens; tells the port where the kernel chose it.
  [[nodiscard]] virtual std::vector<ListenAddress> addresses() const = 0;
};

/// Where a server shall listen.
struct Listeners {
  std::vector<ListenAddress> addresses{};
  std::vector<int> descriptors{};  ///< of sockets that listen already; they become the server's
};

struct ServerOptions {
  std::size_t most_connections = 512;  ///< at all addresses together; a quarter of it with `tls`
  /// By what a new connection over TCP speaks TLS; it keeps that. Without, or null: it speaks none,
  /// as over a UNIX socket.
  std::function<std::shared_ptr<boost::asio::ssl::context>()> tls{};
  /// Is told whose handshake has failed, and why.
  std::function<void(const std::string& client, const std::string& why)> on_failed_handshake{};
};

/// Listens from now on; answers once `context` runs. Errors name the address and the remedy. The
/// context must outlive the server, and so must what the options refer to.
Result<std::unique_ptr<Server>> serve(boost::asio::io_context& context, const Listeners& listeners,
                                      Handler handler, ServerOptions options = {});

}  // namespace closewatch::http
