// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink_channel.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <string>
#include <utility>

#include <libmnl/libmnl.h>

#include "closewatch/node/namespace_entry.h"

namespace closewatch {
namespace {

// Linux 5.14, include/uapi/asm-generic/socket.h; spelt here for older headers.
constexpr int kSoNetnsCookie = 71;
// A dump is produced while it is read, so the kernel never makes us wait; this only keeps a broken
// kernel from holding the scanner for ever.
constexpr timeval kReceiveTimeout{.tv_sec = 5, .tv_usec = 0};

class MnlChannel final : public NetlinkChannel {
 public:
  static Result<std::unique_ptr<NetlinkChannel>> open() {
    Handle handle(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC));
    if (handle == nullptr) return fail_errno(errno, "opening a netlink socket for sock_diag");
    if (mnl_socket_bind(handle.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
      return fail_errno(errno, "binding a netlink socket");
    }
    if (::setsockopt(mnl_socket_get_fd(handle.get()), SOL_SOCKET, SO_RCVTIMEO, &kReceiveTimeout,
                     sizeof(kReceiveTimeout)) < 0) {
      return fail_errno(errno, "giving a netlink socket its time limit");
    }
    return std::unique_ptr<NetlinkChannel>(new MnlChannel(std::move(handle)));
  }

  [[nodiscard]] std::uint32_t port_id() const override {
    return mnl_socket_get_portid(handle_.get());
  }

  [[nodiscard]] std::optional<std::uint64_t> namespace_cookie() const override {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (::getsockopt(mnl_socket_get_fd(handle_.get()), SOL_SOCKET, kSoNetnsCookie, &cookie, &size) <
        0) {
      return std::nullopt;
    }
    return cookie;
  }

  Result<void> send(Bytes request) override {
    while (mnl_socket_sendto(handle_.get(), request.data(), request.size()) < 0) {
      if (errno != EINTR) return fail_errno(errno, "asking the kernel for a socket dump");
    }
    return {};
  }

  Result<std::size_t> receive(std::span<std::byte> buffer) override {
    while (true) {
      const ssize_t got = mnl_socket_recvfrom(handle_.get(), buffer.data(), buffer.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      if (errno == ENOSPC) {  // what libmnl makes of MSG_TRUNC
        return fail(ErrorKind::kMalformed, "netlink answer: a datagram larger than " +
                                               std::to_string(buffer.size()) + " bytes was cut");
      }
      return fail_errno(errno, "receiving a socket dump");
    }
  }

 private:
  struct Closer {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  using Handle = std::unique_ptr<mnl_socket, Closer>;

  explicit MnlChannel(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

class EnteringOpener final : public NetlinkOpener {
 public:
  explicit EnteringOpener(NamespaceEntry entry) : entry_(std::move(entry)) {}

  Result<std::unique_ptr<NetlinkChannel>> open(int network_namespace) override {
    Result<std::unique_ptr<NetlinkChannel>> channel;
    const auto done = entry_.run(network_namespace, [&] { channel = MnlChannel::open(); });
    if (!done) return tl::unexpected(done.error());
    return channel;
  }

 private:
  NamespaceEntry entry_;
};

}  // namespace

Result<std::unique_ptr<NetlinkOpener>> make_netlink_opener() {
  auto entry = NamespaceEntry::make();
  if (!entry) return tl::unexpected(entry.error());
  return std::make_unique<EnteringOpener>(std::move(*entry));
}

}  // namespace closewatch
