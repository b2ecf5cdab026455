#include "closewatch/http/server.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <list>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "closewatch/http/gzip.h"
#include "http/beast_text.h"

namespace closewatch::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kMaxConnections = 64;
constexpr std::uint32_t kMaxHeaderBytes = 8U << 10U;
constexpr std::uint64_t kMaxBodyBytes = 1U << 10U;  // no route takes a body
constexpr std::chrono::seconds kRequestTimeout{10};
constexpr std::chrono::seconds kIdleTimeout{120};  // longer than a usual scrape interval
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::size_t kWorthPacking = 1024;  // below, one packet carries it anyway

/// A weight of nothing: "0", "0.", "0.0" … (RFC 9110, section 12.4.2).
bool is_zero(std::string_view weight) {
  return weight.starts_with('0') && weight.find_first_not_of("0.") == std::string_view::npos;
}

bool accepts_gzip(const wire::request<wire::string_body>& request) {
  for (const auto& [coding, parameters] : wire::ext_list(request[wire::field::accept_encoding])) {
    if (!beast::iequals(coding, "gzip")) continue;
    return std::none_of(parameters.begin(), parameters.end(), [](const auto& parameter) {
      const auto& [name, value] = parameter;
      return beast::iequals(name, "q") && is_zero(view(value));
    });
  }
  return false;
}

Response answer_safely(const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& error) {
    return {.status = 500, .body = std::string("internal error: ") + error.what() + "\n"};
  }
}

using WireResponse = wire::response<wire::string_body>;

/// nullopt when the target is no path.
std::optional<Request> to_request(const wire::request<wire::string_body>& message) {
  const auto target = boost::urls::parse_origin_form(message.target());
  if (!target) return std::nullopt;
  Request request{
      std::string(view(message.method_string())), std::string(view(target->encoded_path())), {}};
  for (const auto& segment : target->segments()) request.segments.push_back(segment);
  return request;
}

WireResponse to_wire(const wire::request<wire::string_body>& request, Response response) {
  WireResponse answer(static_cast<wire::status>(response.status), request.version());
  answer.set(wire::field::content_type, response.content_type);
  answer.set("X-Content-Type-Options", "nosniff");
  if (answer.result() == wire::status::method_not_allowed) {
    answer.set(wire::field::allow, "GET, HEAD");
  }
  answer.set(wire::field::vary, "Accept-Encoding");
  for (const auto& [name, value] : response.headers) answer.set(name, value);
  if (response.body.size() >= kWorthPacking && accepts_gzip(request)) {
    auto packed = response.packed.empty() ? gzip(response.body) : std::move(response.packed);
    if (!packed.empty()) {
      answer.set(wire::field::content_encoding, "gzip");
      response.body = std::move(packed);
    }
  }
  answer.keep_alive(request.keep_alive());
  answer.content_length(response.body.size());
  if (request.method() != wire::verb::head) answer.body() = std::move(response.body);
  return answer;
}

class Session;

/// What server and sessions share; sessions may outlive the server, in the context's queue.
struct Shared {
  Handler handler;
  std::list<Session*> sessions;  ///< the one that has waited longest for a request first
};

/// One connection: reads a request, answers, again. Kept alive by its own pending operations.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Shared> shared)
      : stream_(std::move(socket)),
        shared_(std::move(shared)),
        place_(shared_->sessions.insert(shared_->sessions.end(), this)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;
  ~Session() { shared_->sessions.erase(place_); }

  void start() { read(); }
  void close() { stream_.close(); }

 private:
  /// The next request may be long in coming; once it has begun it has as long as the first.
  void wait_for_request() {
    shared_->sessions.splice(shared_->sessions.end(), shared_->sessions, place_);
    if (buffer_.size() > 0) return read();
    stream_.expires_after(kIdleTimeout);
    stream_.async_read_some(buffer_.prepare(kMaxHeaderBytes),
                            [self = shared_from_this()](error_code error, std::size_t size) {
                              if (error) return;
                              self->buffer_.commit(size);
                              self->read();
                            });
  }

  void read() {
    shared_->sessions.splice(shared_->sessions.end(), shared_->sessions, place_);
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxBodyBytes);
    stream_.expires_after(kRequestTimeout);
    wire::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
  }

  void on_read(error_code error) {
    // Whatever went wrong (closed, timed out, too large, no HTTP), there is nobody left to answer.
    if (error) return;
    const auto& message = parser_->get();
    const auto request = to_request(message);
    response_ = to_wire(message, request ? answer_safely(shared_->handler, *request)
                                         : Response{.status = 400, .body = "not a path\n"});
    stream_.expires_after(kRequestTimeout);
    wire::async_write(
        stream_, response_,
        [self = shared_from_this()](error_code failed, std::size_t) { self->on_written(failed); });
  }

  void on_written(error_code error) {
    if (error) return;
    if (response_.need_eof()) {
      error_code ignored;
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    response_ = {};
    wait_for_request();
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kMaxHeaderBytes + kMaxBodyBytes};
  std::optional<wire::request_parser<wire::string_body>> parser_;
  WireResponse response_;
  std::shared_ptr<Shared> shared_;
  std::list<Session*>::iterator place_;
};

class BeastServer final : public Server {
 public:
  BeastServer(asio::io_context& context, Handler handler)
      : acceptor_(context),
        retry_(context),
        shared_(std::make_shared<Shared>(Shared{std::move(handler), {}})) {}

  error_code open(const tcp::endpoint& endpoint, bool both_families) {
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (error) return error;
    acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && both_families) acceptor_.set_option(asio::ip::v6_only(false), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      error_code ignored;
      acceptor_.close(ignored);
    }
    return error;
  }

  void start() { accept(); }

  [[nodiscard]] ListenAddress address() const override {
    error_code error;
    const auto endpoint = acceptor_.local_endpoint(error);
    return {endpoint.address().is_unspecified() ? "" : endpoint.address().to_string(),
            endpoint.port()};
  }

 private:
  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        accept_later();  // out of descriptors, most likely; they come back
        return;
      }
      // Whoever holds connections without asking makes room for whoever wants to.
      auto& sessions = shared_->sessions;
      if (sessions.size() >= kMaxConnections) sessions.front()->close();
      std::make_shared<Session>(std::move(socket), shared_)->start();
      accept();
    });
  }

  void accept_later() {
    retry_.expires_after(kAcceptRetry);
    retry_.async_wait([this](error_code error) {
      if (!error) accept();
    });
  }

  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace

Result<std::unique_ptr<Server>> serve(asio::io_context& context, const ListenAddress& address,
                                      Handler handler) {
  auto server = std::make_unique<BeastServer>(context, std::move(handler));
  error_code error;
  if (address.host.empty()) {
    error = server->open({tcp::v6(), address.port}, true);
    // A kernel without IPv6 is normal.
    if (error == asio::error::address_family_not_supported ||
        error ==
            asio::error::make_error_code(static_cast<asio::error::basic_errors>(EADDRNOTAVAIL))) {
      error = server->open({tcp::v4(), address.port}, false);
    }
  } else {
    const auto host = asio::ip::make_address(address.host, error);
    if (!error) error = server->open({host, address.port}, false);
  }
  if (error) {
    const bool in_use = error == asio::error::address_in_use;
    return fail(ErrorKind::kSystem, "cannot listen on " + to_text(address) + ": " +
                                        (in_use ? "another program does" : error.message()) +
                                        "; choose another address with --web.listen-address");
  }
  server->start();
  return server;
}

}  // namespace closewatch::http
