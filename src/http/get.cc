#include "closewatch/http/get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

#include "closewatch/base/unique_fd.h"

namespace closewatch::http {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;  // of an answer

tl::unexpected<Error> malformed(std::string what) {
  return fail(ErrorKind::kMalformed, "the answer is not whole: " + std::move(what));
}

std::optional<std::size_t> parse_number(std::string_view text) {
  std::size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_named(std::string_view header, std::string_view name) {
  if (header.size() <= name.size() || header[name.size()] != ':') return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != name[i]) return false;
  }
  return true;
}

/// The text after the colon and spaces; empty without such a header.
std::string_view value_of(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    const auto end = headers.find("\r\n");
    const auto line = headers.substr(0, end);
    if (is_named(line, name)) {
      const auto value = line.substr(name.size() + 1);
      return value.substr(std::min(value.find_first_not_of(' '), value.size()));
    }
    headers.remove_prefix(end == std::string_view::npos ? headers.size() : end + 2);
  }
  return {};
}

/// Room for an address of either family.
struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

SocketAddress to_socket_address(const ListenAddress& address) {
  const auto host = address.host.empty() || address.host == "0.0.0.0" ? "127.0.0.1"
                    : address.host == "::"                            ? "::1"
                                                                      : address.host;
  SocketAddress result;
  auto* const four = reinterpret_cast<sockaddr_in*>(&result.bytes);
  auto* const six = reinterpret_cast<sockaddr_in6*>(&result.bytes);
  if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(address.port);
    result.size = sizeof(*four);
  } else {
    ::inet_pton(AF_INET6, host.c_str(), &six->sin6_addr);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(address.port);
    result.size = sizeof(*six);
  }
  return result;
}

Result<UniqueFd> connect_to(const ListenAddress& address, std::chrono::seconds patience) {
  const auto to = to_socket_address(address);
  UniqueFd fd(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "making a socket");
  const timeval limit{patience.count(), 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(fd.get(), SOL_SOCKET, option, &limit, sizeof(limit)) != 0) {
      return fail_errno(errno, "setting a socket's patience");
    }
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) != 0) {
    return fail_errno(errno == EINPROGRESS ? ETIMEDOUT : errno,
                      "connecting to " + to_text(address));
  }
  return fd;
}

Result<void> send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail_errno(errno == EAGAIN ? ETIMEDOUT : errno, "asking");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> receive_all(int fd) {
  std::string bytes;
  std::array<char, 1U << 16U> part;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (true) {
    const auto received = ::recv(fd, part.data(), part.size(), 0);
    if (received == 0) return bytes;
    if (received < 0 && errno == EINTR) continue;
    if (received < 0)
      return fail_errno(errno == EAGAIN ? ETIMEDOUT : errno, "waiting for an answer");
    if (bytes.size() > kMaxBytes) return malformed("it does not end");
    bytes.append(part.data(), static_cast<std::size_t>(received));
  }
}

}  // namespace

Result<Response> parse_response(std::string_view bytes) {
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kStatusAt = 9;  // behind "HTTP/1.1 "
  constexpr std::size_t kStatusSize = 3;
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos || !bytes.starts_with(kVersion)) return malformed("no HTTP");
  const auto head = bytes.substr(0, end);
  const auto status = parse_number(head.substr(std::min(kStatusAt, head.size()), kStatusSize));
  if (!status) return malformed("no status");
  const auto body = bytes.substr(end + 4);
  const auto size = parse_number(value_of(head, "content-length"));
  if (!size || *size != body.size()) return malformed("its size is not the one it should have");
  return Response{static_cast<unsigned>(*status), std::string(value_of(head, "content-type")),
                  std::string(body)};
}

Result<Response> get(const ListenAddress& address, std::string_view path,
                     std::chrono::seconds patience) {
  const auto fd = connect_to(address, patience);
  if (!fd) return tl::unexpected(fd.error());
  // HTTP/1.0: the server closes the connection behind its answer.
  const auto asked =
      send_all(fd->get(), "GET " + std::string(path) + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
  if (!asked) return tl::unexpected(asked.error());
  const auto bytes = receive_all(fd->get());
  if (!bytes) return tl::unexpected(bytes.error());
  return parse_response(*bytes);
}

}  // namespace closewatch::http
