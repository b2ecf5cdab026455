// SPDX-License-Identifier: Apache-2.0
// A small server that forgets to close: what `scripts/run --demo` puts into its namespaces.
//
// It talks to itself over loopback. A client of its own connects and closes, one connection after
// the other; the server accepts, reads until end of file, and never closes: each is one more socket
// in CLOSE_WAIT. It ends when it has LIMIT of them and waits then, so that the leak stays to be
// looked at.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "closewatch/base/unique_fd.h"
#include "closewatch/base/whole_number.h"

namespace {

using closewatch::UniqueFd;

std::optional<int> number(std::string_view text) {
  const auto value = closewatch::whole_number<int>(text);
  return value && *value >= 1 ? value : std::nullopt;
}

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

UniqueFd listen_on(sockaddr_in& address) {
  UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  socklen_t size = sizeof(address);
  if (::bind(server.get(), generic(address), size) < 0 || ::listen(server.get(), SOMAXCONN) < 0 ||
      ::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0) {
    return {};
  }
  return server;
}

/// One request whose connection the server keeps for ever.
UniqueFd leak_one(const UniqueFd& server, const sockaddr_in& address) {
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(client.get(), generic(address), sizeof(address)) < 0) return {};
  UniqueFd kept(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ::shutdown(client.get(), SHUT_WR);
  char byte = 0;
  while (::read(kept.get(), &byte, 1) > 0) {
  }
  return kept;
}

}  // namespace

int main(int argc, char** argv) {
  const auto per_minute = argc == 3 ? number(argv[1]) : std::nullopt;
  const auto limit = argc == 3 ? number(argv[2]) : std::nullopt;
  if (!per_minute || !limit) {
    (void)std::fputs("usage: closewatch-demo-leak SOCKETS_PER_MINUTE LIMIT\n", stderr);
    return 2;
  }
  auto address = loopback();
  const auto server = listen_on(address);
  if (!server.valid()) {
    std::perror("closewatch-demo-leak");
    return 1;
  }
  const auto pause = std::chrono::duration<double>(std::chrono::minutes(1)) / *per_minute;
  std::vector<UniqueFd> leaked;
  while (leaked.size() < static_cast<std::size_t>(*limit)) {
    auto kept = leak_one(server, address);
    if (!kept.valid()) break;  // out of descriptors or ports: the leak has done its worst
    leaked.push_back(std::move(kept));
    std::this_thread::sleep_for(pause);
  }
  ::pause();
}
