// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>

#include "tests/fuzz/fuzz.h"
#include <boost/asio/io_context.hpp>

#include "closewatch/base/unique_fd.h"

namespace closewatch::fuzz {
namespace {

/// Long enough to be worth packing.
const std::string kBody(2000, 'x');

void answer(const http::Request& request, const http::Reply& reply) {
  require(request.path.starts_with('/'), "a path begins with a slash");
  require(request.segments.size() <= request.path.size(), "a segment takes a slash");
  require(is_printable(request.method) && is_printable(request.path),
          "method and path are as they can be sent");
  if (request.path == "/throws") throw std::runtime_error("thrown");
  reply({.body = kBody});
}

/// A server, and who connects to it.
class Loopback {
 public:
  Loopback() { require(server_.has_value(), "a server can listen on the loopback"); }

  /// All that it answers to `input`, which comes in one piece or in two.
  std::string talk(std::string_view input, std::size_t first) {
    const auto socket = connected();
    const auto begin = input.substr(0, first);
    send(socket, begin);
    std::string said = received(socket);
    send(socket, input.substr(begin.size()));
    said += received(socket);
    // A reset: nobody is to wait for the end of thousands of connections.
    const linger at_once{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return said;
  }

  /// Lets the server see that the last connection has ended.
  void rest() { context_.poll(); }

 private:
  [[nodiscard]] UniqueFd connected() const {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons((*server_)->addresses().front().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connected = -1;
    do {  // libFuzzer's own clock interrupts, too
      connected =
          ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    } while (connected < 0 && (errno == EINTR || errno == EALREADY));
    require(connected == 0 || errno == EISCONN,
            "a server that was told all sorts of things takes the next connection");
    return socket;
  }

  static void send(const UniqueFd& socket, std::string_view bytes) {
    (void)::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  /// Until the server has nothing more to say. What is sent over the loopback is there at once.
  std::string received(const UniqueFd& socket) {
    std::string said;
    std::array<char, 65536> piece{};
    while (context_.poll() > 0) {
      ssize_t got = 0;
      while ((got = ::recv(socket.get(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0) {
        said.append(piece.data(), static_cast<std::size_t>(got));
      }
    }
    return said;
  }

  boost::asio::io_context context_{1};
  Result<std::unique_ptr<http::Server>> server_ =
      http::serve(context_, {.addresses = {{"127.0.0.1", 0}}}, answer);
};

}  // namespace

/// A byte for where the stream is cut in two, then what a client sends.
void attempt(std::string_view input) {
  static Loopback loopback;
  const std::size_t first = take_byte(input);
  const auto said = loopback.talk(input, first);
  loopback.rest();
  require(said.empty() || said.starts_with("HTTP/1."), "what a server says is HTTP");
  require(said.empty() || !input.empty(), "a server does not speak first");
}

}  // namespace closewatch::fuzz
