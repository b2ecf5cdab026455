// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/open_listeners.h"

#include <utility>

#include "closewatch/base/unique_fd.h"
#include "http/listening_socket.h"

namespace closewatch::http {

struct OpenListeners::Sockets {
  std::vector<ListeningSocket> opened;
  std::vector<UniqueFd> given;
};

OpenListeners::OpenListeners(std::unique_ptr<Sockets> sockets) : sockets_(std::move(sockets)) {}
OpenListeners::OpenListeners(OpenListeners&& other) noexcept = default;
OpenListeners::~OpenListeners() = default;

Result<OpenListeners> OpenListeners::open(const Listeners& where) {
  auto sockets = std::make_unique<Sockets>();
  for (const int descriptor : where.descriptors) sockets->given.emplace_back(descriptor);
  for (const auto& address : where.addresses) {
    auto socket = ListeningSocket::open(address);
    if (!socket) return tl::unexpected(socket.error());
    sockets->opened.push_back(std::move(*socket));
  }
  return OpenListeners(std::move(sockets));
}

std::vector<int> OpenListeners::take() {
  std::vector<int> descriptors;
  const auto add = [&](UniqueFd socket) {
    if (socket.valid()) descriptors.push_back(socket.release());
  };
  for (auto& socket : sockets_->opened) add(socket.hand_over());
  for (auto& socket : sockets_->given) add(std::move(socket));
  return descriptors;
}

void OpenListeners::close() {
  for (const int descriptor : take()) UniqueFd{descriptor};
}

}  // namespace closewatch::http
