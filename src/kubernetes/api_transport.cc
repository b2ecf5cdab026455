#include "closewatch/kubernetes/api_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "closewatch/base/file.h"
#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::size_t kPiece = 16U << 10U;

/// A server that went without a word is noticed after a minute, while a watch may be silent for
/// longer.
void notice_dead_peer(tcp::socket& socket) {
  constexpr int kOn = 1;
  constexpr int kIdleSeconds = 30;
  constexpr int kBetweenSeconds = 10;
  constexpr int kTries = 3;
  const auto set = [fd = socket.native_handle()](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, kOn);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kBetweenSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kTries);
}

Result<std::string> read_token(const std::string& directory) {
  std::string token;
  if (const auto read = read_file_at(kWorkingDirectory, (directory + "/token").c_str(), token);
      !read) {
    return tl::unexpected(read.error());
  }
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  return token;
}

std::optional<std::chrono::seconds> retry_after(std::string_view text) {
  constexpr unsigned kMost = 3600;
  const auto seconds = take_number<unsigned>(text);
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(std::min(*seconds, kMost));
}

bool is_ip_address(const std::string& host) {
  error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

/// One request and its connection. Kept alive by its own pending operations.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(asio::io_context& context, const ApiAccess& access, const ApiRequest& request,
           ApiReceiver& receiver)
      : access_(access),
        silence_(request.silence),
        receiver_(receiver),
        tls_(ssl::context::tls_client),
        resolver_(context),
        context_(context),
        request_(wire::verb::get, request.target, 11) {
    request_.set(wire::field::accept, request.accept);
    parser_.body_limit(boost::none);
  }

  void start() {
    if (auto prepared = prepare(); !prepared) {
      asio::post(context_, [self = shared_from_this(), error = prepared.error()] {
        self->receiver_.on_end(tl::unexpected(error));
      });
      return;
    }
    resolver_.async_resolve(access_.host, access_.port,
                            [self = shared_from_this()](error_code error, const auto& found) {
                              if (error) return self->fail_with("resolving", error);
                              self->connect(found);
                            });
  }

 private:
  Result<void> prepare() {
    auto token = read_token(access_.service_account);
    if (!token) return tl::unexpected(token.error());
    const auto ca = access_.service_account + "/ca.crt";
    error_code error;
    tls_.load_verify_file(ca, error);
    if (error) return fail(ErrorKind::kSystem, "reading " + ca + ": " + error.message());
    stream_.emplace(context_, tls_);
    stream_->set_verify_mode(ssl::verify_peer);
    stream_->set_verify_callback(ssl::host_name_verification(access_.host));
    if (!is_ip_address(access_.host)) {  // RFC 6066, section 3: literal addresses are not permitted
      auto name = access_.host;
      SSL_ctrl(stream_->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               name.data());
    }
    const bool is_ipv6 = access_.host.find(':') != std::string::npos;
    request_.set(wire::field::host,
                 (is_ipv6 ? "[" + access_.host + "]" : access_.host) + ":" + access_.port);
    request_.set(wire::field::user_agent, "closewatch");
    request_.set(wire::field::authorization, "Bearer " + *token);
    request_.set(wire::field::connection, "close");
    return {};
  }

  beast::tcp_stream& tcp_layer() { return beast::get_lowest_layer(*stream_); }

  void connect(const tcp::resolver::results_type& addresses) {
    tcp_layer().expires_after(kHandshakeTimeout);
    tcp_layer().async_connect(addresses,
                              [self = shared_from_this()](error_code error, const auto&) {
                                if (error) return self->fail_with("connecting to", error);
                                notice_dead_peer(self->tcp_layer().socket());
                                self->shake_hands();
                              });
  }

  void shake_hands() {
    stream_->async_handshake(ssl::stream_base::client,
                             [self = shared_from_this()](error_code error) {
                               if (error) return self->fail_with("the TLS handshake with", error);
                               self->write();
                             });
  }

  void write() {
    wire::async_write(*stream_, request_,
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return self->fail_with("asking", error);
                        self->read_header();
                      });
  }

  void read_header() {
    tcp_layer().expires_after(silence_);
    wire::async_read_header(*stream_, buffer_, parser_,
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->fail_with("the answer of", error);
                              self->on_header();
                            });
  }

  void on_header() {
    const auto& head = parser_.get();
    const auto wait = head[wire::field::retry_after];
    receiver_.on_answer({head.result_int(), retry_after({wait.data(), wait.size()})});
    read_body();
  }

  void read_body() {
    if (parser_.is_done()) return receiver_.on_end({});
    parser_.get().body().data = piece_.data();
    parser_.get().body().size = piece_.size();
    tcp_layer().expires_after(silence_);
    wire::async_read_some(
        *stream_, buffer_, parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_body(error); });
  }

  void on_body(error_code error) {
    if (error == wire::error::need_buffer) error = {};
    const auto got = piece_.size() - parser_.get().body().size;
    if (!error && got > 0 && !receiver_.on_body({piece_.data(), got})) return receiver_.on_end({});
    if (error) return fail_with("the answer of", error);
    read_body();
  }

  void fail_with(const char* doing, const error_code& error) {
    receiver_.on_end(fail(ErrorKind::kSystem, std::string(doing) + " " + access_.host + ":" +
                                                  access_.port + ": " + error.message()));
  }

  const ApiAccess& access_;
  std::chrono::seconds silence_;
  ApiReceiver& receiver_;
  ssl::context tls_;
  tcp::resolver resolver_;
  asio::io_context& context_;
  wire::request<wire::empty_body> request_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> stream_;
  beast::flat_buffer buffer_;
  wire::response_parser<wire::buffer_body> parser_;
  std::array<char, kPiece> piece_{};
};

class TlsTransport final : public ApiTransport {
 public:
  TlsTransport(asio::io_context& context, ApiAccess access)
      : context_(context), access_(std::move(access)) {}

  void get(const ApiRequest& request, ApiReceiver& receiver) override {
    std::make_shared<Exchange>(context_, access_, request, receiver)->start();
  }

 private:
  asio::io_context& context_;
  ApiAccess access_;
};

}  // namespace

std::unique_ptr<ApiTransport> make_api_transport(asio::io_context& context, ApiAccess access) {
  return std::make_unique<TlsTransport>(context, std::move(access));
}

}  // namespace closewatch
