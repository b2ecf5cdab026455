// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <openssl/x509v3.h>

#include "closewatch/base/whole_number.h"
#include "http/beast_text.h"
#include "http/socket_address.h"

namespace closewatch::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::size_t kPiece = 16U << 10U;
// What must be there at once to be read: all headers, a chunk's extension, all trailers.
constexpr std::size_t kMostBuffered = std::size_t{64} << 10U;

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

/// What has no end is told from what is wrong, and that from what did not come.
ErrorKind kind_of(const error_code& error) {
  if (error == wire::error::buffer_overflow || error == wire::error::header_limit) {
    return ErrorKind::kOverLimit;
  }
  const bool is_cut = error == wire::error::partial_message || error == wire::error::end_of_stream;
  return error.category() == error_code(wire::error::bad_chunk).category() && !is_cut
             ? ErrorKind::kMalformed
             : ErrorKind::kSystem;
}

/// Beast's own words for these are about its insides.
std::string words_for(const error_code& error) {
  if (error == beast::error::timeout) return "timed out";
  if (error == wire::error::partial_message || error == wire::error::end_of_stream) {
    return "it is not whole";
  }
  if (error == wire::error::buffer_overflow || error == wire::error::header_limit) {
    return "its headers, trailers or the extension of a chunk are too long";
  }
  return error.message();
}

/// A question and its answer over a connection that stands. Kept alive by its own pending
/// operations, and with it whoever owns the stream.
template <typename Stream>
class Exchange : public std::enable_shared_from_this<Exchange<Stream>> {
 public:
  /// `name` is the server's, for errors; `owner` keeps `stream` alive.
  Exchange(Stream& stream, std::shared_ptr<void> owner, std::string name, const std::string& host,
           const Question& question, Receiver& receiver, HostNames server_names = {})
      : stream_(stream),
        owner_(std::move(owner)),
        name_(std::move(name)),
        silence_(question.silence),
        until_(question.until),
        bytes_left_(question.most_bytes),
        most_bytes_(question.most_bytes),
        receiver_(receiver),
        server_names_(std::move(server_names)),
        request_(question.body ? wire::verb::post : wire::verb::get, question.target, 11) {
    request_.set(wire::field::host, host);
    request_.set(wire::field::user_agent, "closewatch");
    for (const auto& [field, value] : question.headers) request_.set(field, value);
    if (!question.body) return;
    request_.body() = *question.body;
    request_.prepare_payload();
  }

  void start() {
    expire();
    wire::async_write(stream_, request_,
                      [self = this->shared_from_this()](error_code error, std::size_t) {
                        if (error) return self->fail_with("asking", error);
                        self->read_header();
                      });
  }

 private:
  void expire() {
    const auto patience = std::chrono::steady_clock::now() + silence_;
    beast::get_lowest_layer(stream_).expires_at(until_ ? std::min(patience, *until_) : patience);
  }

  /// Whether so many more bytes may be.
  bool takes(std::size_t bytes) {
    if (bytes <= bytes_left_) {
      bytes_left_ -= bytes;
      return true;
    }
    receiver_.on_end(fail(ErrorKind::kOverLimit, "the answer of " + name_ + ": it has more than " +
                                                     std::to_string(most_bytes_) + " bytes"));
    return false;
  }

  void read_header() {
    parser_.emplace();
    parser_->body_limit(boost::none);
    expire();
    wire::async_read_header(stream_, buffer_, *parser_,
                            [self = this->shared_from_this()](error_code error, std::size_t size) {
                              if (error) return self->fail_with("the answer of", error);
                              if (self->takes(size)) self->on_header();
                            });
  }

  /// What comes before the answer, a few times at most, is none (RFC 9110, section 15.2); nobody
  /// has asked for another protocol (101).
  void on_header() {
    constexpr unsigned kSwitching = 101;
    constexpr unsigned kFirstFinal = 200;
    const auto& head = parser_->get();
    if (head.result_int() < kFirstFinal && head.result_int() != kSwitching) {
      if (announcements_left_-- > 0) return read_header();
      return receiver_.on_end(fail(ErrorKind::kOverLimit,
                                   "the answer of " + name_ + ": announcements of it do not end"));
    }
    receiver_.on_answer({head.result_int(), retry_after(view(head[wire::field::retry_after])),
                         std::string(view(head[wire::field::content_type])),
                         head.has_content_length() || head.chunked(), server_names_});
    read_body();
  }

  void read_body() {
    if (parser_->is_done()) return receiver_.on_end({});
    parser_->get().body().data = piece_.data();
    parser_->get().body().size = piece_.size();
    expire();
    wire::async_read_some(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](error_code error, std::size_t size) {
                            if (self->takes(size)) self->on_body(error);
                          });
  }

  void on_body(error_code error) {
    if (error == wire::error::need_buffer) error = {};
    const auto got = piece_.size() - parser_->get().body().size;
    if (!error && got > 0 && !receiver_.on_body({piece_.data(), got})) return receiver_.on_end({});
    if (error) return fail_with("the answer of", error);
    read_body();
  }

  void fail_with(const char* doing, const error_code& error) {
    receiver_.on_end(
        fail(kind_of(error), std::string(doing) + " " + name_ + ": " + words_for(error)));
  }

  Stream& stream_;
  std::shared_ptr<void> owner_;
  std::string name_;
  std::chrono::seconds silence_;
  std::optional<std::chrono::steady_clock::time_point> until_;
  int announcements_left_ = 100;
  std::uint64_t bytes_left_;
  std::uint64_t most_bytes_;
  Receiver& receiver_;
  HostNames server_names_;
  wire::request<wire::string_body> request_;
  beast::flat_buffer buffer_{kMostBuffered};
  std::optional<wire::response_parser<wire::buffer_body>> parser_;
  std::array<char, kPiece> piece_{};
};

/// Of the server's, which has been verified. 100 at most.
HostNames names_in_certificate(SSL* connection) {
  constexpr int kMost = 100;
  HostNames found;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      SSL_get1_peer_certificate(connection), X509_free);
  if (certificate == nullptr) return found;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  const int count = names == nullptr ? 0 : std::min(sk_GENERAL_NAME_num(names.get()), kMost);
  for (int i = 0; i < count; ++i) {
    const auto* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* const text = name->d.dNSName;
    found.add({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
               static_cast<std::size_t>(ASN1_STRING_length(text))});
  }
  return found;
}

/// A connection over TLS for one question.
class TlsCall : public std::enable_shared_from_this<TlsCall> {
 public:
  TlsCall(asio::io_context& context, TlsServer server, Question question, Receiver& receiver)
      : server_(std::move(server)),
        question_(std::move(question)),
        receiver_(receiver),
        tls_(ssl::context::tls_client),
        resolver_(context),
        context_(context) {
    question_.headers.emplace_back("Connection", "close");
  }

  void start() {
    if (auto prepared = prepare(); !prepared) {
      asio::post(context_, [self = shared_from_this(), error = prepared.error()] {
        self->receiver_.on_end(tl::unexpected(error));
      });
      return;
    }
    resolver_.async_resolve(server_.host, server_.port,
                            [self = shared_from_this()](error_code error, const auto& found) {
                              if (error) return self->fail_with("resolving", error);
                              self->connect(found);
                            });
  }

 private:
  Result<void> prepare() {
    error_code error;
    tls_.load_verify_file(server_.ca_file, error);
    if (error) {
      return fail(ErrorKind::kSystem, "reading " + server_.ca_file + ": " + error.message());
    }
    stream_.emplace(context_, tls_);
    stream_->set_verify_mode(ssl::verify_peer);
    stream_->set_verify_callback(ssl::host_name_verification(server_.host));
    if (!is_ip_address(server_.host)) {  // RFC 6066, section 3: literal addresses are not permitted
      auto name = server_.host;
      SSL_ctrl(stream_->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               name.data());
    }
    return {};
  }

  beast::tcp_stream& tcp_layer() { return beast::get_lowest_layer(*stream_); }

  void connect(const tcp::resolver::results_type& addresses) {
    const auto patience = std::chrono::steady_clock::now() + kHandshakeTimeout;
    tcp_layer().expires_at(std::min(patience, question_.until.value_or(patience)));
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
                               self->ask();
                             });
  }

  void ask() {
    const bool is_ipv6 = server_.host.find(':') != std::string::npos;
    std::make_shared<Exchange<beast::ssl_stream<beast::tcp_stream>>>(
        *stream_, shared_from_this(), name(),
        (is_ipv6 ? "[" + server_.host + "]" : server_.host) + ":" + server_.port, question_,
        receiver_, names_in_certificate(stream_->native_handle()))
        ->start();
  }

  [[nodiscard]] std::string name() const { return server_.host + ":" + server_.port; }

  void fail_with(const char* doing, const error_code& error) {
    receiver_.on_end(
        fail(ErrorKind::kSystem, std::string(doing) + " " + name() + ": " + error.message()));
  }

  TlsServer server_;
  Question question_;
  Receiver& receiver_;
  ssl::context tls_;
  tcp::resolver resolver_;
  asio::io_context& context_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> stream_;
};

/// Keeps an answer whole.
class Collector final : public Receiver {
 public:
  void on_answer(const AnswerHead& head) override {
    response_.status = head.status;
    response_.content_type = head.content_type;
    says_where_it_ends_ = head.says_where_it_ends;
  }
  bool on_body(std::string_view piece) override {
    response_.body += piece;
    return true;
  }
  void on_end(const Result<void>& result) override { end_ = result; }

  Result<Response> response() && {
    if (!end_) return tl::unexpected(end_.error());
    if (!says_where_it_ends_) {
      return fail(ErrorKind::kMalformed, "the answer does not say where it ends");
    }
    return std::move(response_);
  }

 private:
  Response response_;
  bool says_where_it_ends_ = false;
  Result<void> end_ = fail(ErrorKind::kSystem, "there is no answer");
};

using Stream = beast::basic_stream<asio::generic::stream_protocol>;

/// Where one of this machine reaches who listens there.
Result<asio::generic::stream_protocol::endpoint> reachable(ListenAddress address) {
  if (address.host.empty() || address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  const auto found = SocketAddress::of(address);
  if (!found) return tl::unexpected(found.error());
  return asio::generic::stream_protocol::endpoint(found->data(), found->size());
}

}  // namespace

class Connection::Kept {
 public:
  Kept(ListenAddress address, std::chrono::seconds patience)
      : address_(std::move(address)), patience_(patience) {}

  Result<void> connect() {
    const auto endpoint = reachable(address_);
    if (!endpoint) return tl::unexpected(endpoint.error());
    error_code connected;
    stream_->expires_after(patience_);
    stream_->async_connect(*endpoint, [&](error_code error) { connected = error; });
    context_.run();
    if (!connected) return {};
    return fail(ErrorKind::kSystem,
                "connecting to " + to_text(address_) + ": " + connected.message());
  }

  Result<Response> get(std::string_view path,
                       std::vector<std::pair<std::string, std::string>> headers,
                       std::uint64_t most_bytes) {
    const auto until = std::chrono::steady_clock::now() + patience_;
    Collector collector;
    std::make_shared<Exchange<Stream>>(
        *stream_, stream_, to_text(address_), "localhost",
        Question{std::string(path), std::move(headers), patience_, most_bytes, until}, collector)
        ->start();
    context_.restart();
    context_.run();
    return std::move(collector).response();
  }

 private:
  ListenAddress address_;
  std::chrono::seconds patience_;
  asio::io_context context_{1};
  std::shared_ptr<Stream> stream_ = std::make_shared<Stream>(context_);
};

Connection::Connection(std::unique_ptr<Kept> kept) : kept_(std::move(kept)) {}
Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(const ListenAddress& address, std::chrono::seconds patience) {
  auto kept = std::make_unique<Kept>(address, patience);
  if (auto connected = kept->connect(); !connected) return tl::unexpected(connected.error());
  return Connection(std::move(kept));
}

Result<Response> Connection::get(std::string_view path,
                                 std::vector<std::pair<std::string, std::string>> headers,
                                 std::uint64_t most_bytes) {
  return kept_->get(path, std::move(headers), most_bytes);
}

void ask(asio::io_context& context, const TlsServer& server, const Question& question,
         Receiver& receiver) {
  std::make_shared<TlsCall>(context, server, question, receiver)->start();
}

Result<ListenAddress> look_up(std::string_view server) {
  if (auto address = parse_listen_address(server)) return address;
  const auto colon = server.rfind(':');
  const auto port = colon == std::string_view::npos
                        ? std::nullopt
                        : whole_number<std::uint16_t>(server.substr(colon + 1));
  if (!port || colon == 0 || server.substr(0, colon).find(':') != std::string_view::npos) {
    return fail(ErrorKind::kMalformed,
                "'" + std::string(server) + "' is no server: write HOST:PORT or [IPv6]:PORT");
  }
  const std::string host(server.substr(0, colon));
  asio::io_context context{1};
  error_code error;
  const auto found = tcp::resolver(context).resolve(host, std::to_string(*port), error);
  if (error) return fail(ErrorKind::kSystem, "looking up " + host + ": " + error.message());
  return ListenAddress{found.begin()->endpoint().address().to_string(), *port};
}

Result<Response> get(const ListenAddress& address, std::string_view path,
                     std::chrono::seconds patience, std::uint64_t most_bytes) {
  auto connection = Connection::open(address, patience);
  if (!connection) return tl::unexpected(connection.error());
  return connection->get(path, {{"Connection", "close"}}, most_bytes);
}

}  // namespace closewatch::http
