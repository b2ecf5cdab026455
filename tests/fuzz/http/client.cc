// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/client.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"

#include "closewatch/base/unique_fd.h"

namespace closewatch::fuzz {
namespace {

/// Somebody else on the agent's address.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    require(::bind(socket_.get(), generic, size) == 0 && ::listen(socket_.get(), 1) == 0 &&
                ::getsockname(socket_.get(), generic, &size) == 0,
            "the loopback can be listened on");
    port_ = ntohs(address.sin_port);
  }

  [[nodiscard]] http::ListenAddress address() const { return {"127.0.0.1", port_}; }

  /// Says it all to who has connected, before being asked. What does not fit is left out.
  [[nodiscard]] UniqueFd say(std::string_view answer) const {
    int connection = -1;
    do {  // libFuzzer's own clock interrupts, too
      connection = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    } while (connection < 0 && errno == EINTR);
    UniqueFd accepted(connection);
    // Ends by a reset: nobody is to wait for the end of thousands of connections.
    const linger at_once{1, 0};
    ::setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)::send(accepted.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(accepted.get(), SHUT_WR);
    return accepted;
  }

 private:
  UniqueFd socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port_ = 0;
};

}  // namespace

/// What a server answers.
void attempt(std::string_view input) {
  static const Listener listener;
  auto connection = http::Connection::open(listener.address(), std::chrono::seconds(5));
  require(connection.has_value(), "the loopback can be connected to");
  const auto server = listener.say(input);
  const auto answer = connection->get("/");
  if (!answer) return require(is_printable(answer.error().what), "an error is fit for a log");
  require(answer->body.size() <= input.size(), "a body is not longer than what was sent");
  require(answer->status <= 999, "a status has three digits");
}

}  // namespace closewatch::fuzz
