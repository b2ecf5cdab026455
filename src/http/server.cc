// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/server.h"

#include <netinet/in.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "closewatch/http/client_network.h"
#include "closewatch/http/content.h"
#include "closewatch/http/gzip.h"
#include "http/beast_text.h"
#include "http/listening_socket.h"
#include "http/tcp_progress.h"

namespace closewatch::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
using boost::system::error_code;
// Of IPv4, IPv6 and UNIX.
using Protocol = asio::generic::stream_protocol;
using Socket = Protocol::socket;
using PlainStream = beast::basic_stream<Protocol>;
using TlsStream = beast::ssl_stream<PlainStream>;

constexpr std::size_t kFewestConnections = 4;
// An eighth of the descriptors, as cgroups and processes have each: the others are for scans.
constexpr rlim_t kShareOfDescriptors = 8;
constexpr std::size_t kMostAnswerBytes = std::size_t{8} << 20U;  // that are being written
constexpr std::uint32_t kMaxHeaderBytes = 8U << 10U;
constexpr std::uint64_t kMaxBodyBytes = 1U << 10U;  // no route takes a body
constexpr std::chrono::seconds kRequestTimeout{10};
constexpr std::chrono::seconds kIdleTimeout{120};  // longer than a usual scrape interval
constexpr std::chrono::seconds kLingerTimeout{2};
constexpr std::size_t kMostLingering = std::size_t{1} << 20U;
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::chrono::milliseconds kPatienceWithStalled{500};
constexpr std::chrono::milliseconds kTakenLook{50};
constexpr std::size_t kWorthPacking = 1024;  // below, one packet carries it anyway

/// How many connections may be open, where `most` are wanted.
std::size_t most_connections(std::size_t most) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return most;
  return std::clamp<std::size_t>(limit.rlim_cur / kShareOfDescriptors,
                                 std::min(kFewestConnections, most), most);
}

/// Whose a connection is. All who come over a UNIX socket are one: the unspecified address, which
/// nobody else can have.
struct Client {
  explicit Client(const Protocol::endpoint& peer)
      : address(address_of(peer)), network(network_of(address)) {}

  [[nodiscard]] bool is_local() const { return address.is_v4() && address.is_unspecified(); }

  asio::ip::address address;
  asio::ip::address network;

 private:
  static asio::ip::address address_of(const Protocol::endpoint& peer) {
    if (peer.data()->sa_family == AF_INET) {
      const auto& ipv4 = *reinterpret_cast<const sockaddr_in*>(peer.data());
      return asio::ip::address_v4(ntohl(ipv4.sin_addr.s_addr));
    }
    if (peer.data()->sa_family != AF_INET6) return {};
    const auto& ipv6 = *reinterpret_cast<const sockaddr_in6*>(peer.data());
    asio::ip::address_v6::bytes_type bytes{};
    std::memcpy(bytes.data(), &ipv6.sin6_addr, bytes.size());
    const asio::ip::address_v6 address(bytes);
    if (!address.is_v4_mapped()) return address;
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address);
  }
};

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

/// A body of two parts in one another's sequence, which are somebody else's.
struct TwoParts {
  using value_type = std::array<asio::const_buffer, 2>;
  static std::uint64_t size(const value_type& parts) { return asio::buffer_size(parts); }

  class writer {  // NOLINT(readability-identifier-naming): the library's name
   public:
    using const_buffers_type = value_type;
    template <bool is_request, typename Fields>
    writer(const wire::header<is_request, Fields>& /*header*/, const value_type& parts)
        : parts_(parts) {}
    static void init(error_code& error) { error = {}; }
    boost::optional<std::pair<const_buffers_type, bool>> get(error_code& error) {
      error = {};
      return {{parts_, false}};
    }

   private:
    const value_type& parts_;
  };
};

using WireResponse = wire::response<TwoParts>;

/// What is asked for, of what host.
struct Target {
  std::string path;
  std::string host;
};

/// Also one that is asked as a proxy is: its own host counts then, and not the header's (RFC 9112,
/// section 3.2.2). nullopt when it is neither.
std::optional<Target> target_of(const wire::request<wire::string_body>& message) {
  if (message.target().starts_with('/')) {
    return Target{std::string(view(message.target())),
                  std::string(view(message[wire::field::host]))};
  }
  const auto uri = boost::urls::parse_absolute_uri(message.target());
  const bool is_ours = uri && (uri->scheme_id() == boost::urls::scheme::http ||
                               uri->scheme_id() == boost::urls::scheme::https);
  if (!is_ours || uri->encoded_host().empty()) return std::nullopt;
  auto path = std::string(view(uri->encoded_path()));
  if (path.empty()) path = "/";
  return Target{std::move(path), std::string(view(uri->encoded_authority()))};
}

/// nullopt when the target is no path.
std::optional<Request> to_request(const wire::request<wire::string_body>& message) {
  auto target = target_of(message);
  if (!target) return std::nullopt;
  const auto path = boost::urls::parse_origin_form(target->path);
  if (!path) return std::nullopt;
  Request request{
      std::string(view(message.method_string())), std::string(view(path->encoded_path())), {}};
  for (const auto& segment : path->segments()) request.segments.push_back(segment);
  request.host = std::move(target->host);
  request.authorization = std::string(view(message[wire::field::authorization]));
  return request;
}

/// What is wrong with a request; nullopt when there is nobody left to answer.
std::optional<Response> refusal_of(const error_code& error, bool has_header) {
  if (error == wire::error::end_of_stream) return std::nullopt;
  if (error == wire::error::body_limit || (error == wire::error::buffer_overflow && has_header)) {
    return Response{.status = 413, .body = "a request has no body here\n"};
  }
  if (error == wire::error::header_limit || error == wire::error::buffer_overflow) {
    return Response{.status = 431, .body = "the request's headers are longer than 8 KiB\n"};
  }
  if (error == wire::error::bad_version) {
    return Response{.status = 505, .body = "only HTTP/1.0 and HTTP/1.1\n"};
  }
  if (error.category() != error_code(wire::error::bad_method).category()) return std::nullopt;
  return Response{.status = 400, .body = "not a request of HTTP: " + error.message() + "\n"};
}

/// An answer with all that it is made of.
class Answer {
 public:
  Answer(const wire::request<wire::string_body>& request, Response response, bool closes)
      : message_(static_cast<wire::status>(response.status), request.version()),
        front_(std::move(response.front)),
        end_(std::move(response.body)) {
    message_.set(wire::field::content_type, response.content_type);
    message_.set("X-Content-Type-Options", "nosniff");
    if (message_.result() == wire::status::method_not_allowed) {
      message_.set(wire::field::allow, "GET, HEAD");
    }
    message_.set(wire::field::vary, "Accept-Encoding");
    for (const auto& [name, value] : response.headers) message_.set(name, value);
    std::string_view front = front_ == nullptr ? std::string_view() : front_->text();
    if (front.size() + end_.size() >= kWorthPacking && accepts_gzip(request)) front = pack(front);
    message_.keep_alive(request.keep_alive() && !closes);
    message_.content_length(front.size() + end_.size());
    if (request.method() == wire::verb::head) return;
    message_.body() = {asio::const_buffer(front.data(), front.size()), asio::buffer(end_)};
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  Answer(Answer&&) = delete;
  Answer& operator=(Answer&&) = delete;
  ~Answer() = default;

  WireResponse& message() { return message_; }
  [[nodiscard]] bool is_last() const { return message_.need_eof(); }
  /// In bytes, without its headers.
  [[nodiscard]] std::uint64_t size() const { return TwoParts::size(message_.body()); }

 private:
  /// The packed front; plain as it was where zlib fails.
  std::string_view pack(std::string_view plain) {
    static const PackedFront nothing = pack_front("");
    const auto& front = front_ == nullptr ? nothing : front_->packed();
    auto end = pack_end(front, end_);
    if (front.bytes.empty() || end.empty()) return plain;
    message_.set(wire::field::content_encoding, "gzip");
    end_ = std::move(end);
    return front.bytes;
  }

  WireResponse message_;
  std::shared_ptr<const Content> front_;
  std::string end_;
};

/// Contents that are being written to somebody, each counted once.
class InWriting {
 public:
  /// Whether there is room for it, or it is there anyway.
  [[nodiscard]] bool takes(const Response& response) const {
    if (response.always || response.front == nullptr) return true;
    return writers_.contains(response.front.get()) ||
           bytes() + response.front->size() <= kMostAnswerBytes;
  }
  void add(const Content* content) { ++writers_[content]; }
  void remove(const Content* content) {
    const auto found = writers_.find(content);
    if (--found->second == 0) writers_.erase(found);
  }

 private:
  [[nodiscard]] std::size_t bytes() const {
    return std::accumulate(
        writers_.begin(), writers_.end(), std::size_t{0},
        [](std::size_t sum, const auto& writer) { return sum + writer.first->size(); });
  }

  std::map<const Content*, std::size_t> writers_;
};

/// A connection, as the others see it.
class Visitor {
 public:
  explicit Visitor(Client client) : client_(std::move(client)) {}
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  Visitor(Visitor&&) = delete;
  Visitor& operator=(Visitor&&) = delete;
  virtual ~Visitor() = default;

  [[nodiscard]] const Client& client() const { return client_; }
  /// Empty over a UNIX socket.
  [[nodiscard]] std::string name() const {
    return client_.is_local() ? "" : client_.address.to_string();
  }
  virtual void close() = 0;
  /// Whether it has been given an answer before.
  [[nodiscard]] virtual bool was_answered() const = 0;
  /// Whether some of an answer has still to be taken, by the kernel or from it.
  [[nodiscard]] virtual bool owes() = 0;
  /// Whether its client has taken nothing of an answer since this was asked before.
  virtual bool stalls() = 0;
  /// By how much its client is faster than it has to be for taking its answer in time; below 1 it
  /// will not. nullopt where that cannot be told, or not yet.
  virtual std::optional<double> pace() = 0;

 private:
  Client client_;
};

/// How many connections somebody has, and how many of them are being given an answer.
struct Connections {
  std::size_t open = 0;
  std::size_t answered = 0;
};

/// Those of each client: of its address, and of all addresses of its network together.
class Clients {
 public:
  void opened(const Client& client) {
    ++addresses_[client.address].open;
    ++networks_[client.network].open;
  }
  void closed(const Client& client) {
    remove(addresses_, client.address);
    remove(networks_, client.network);
  }
  void begins_answer(const Client& client) {
    ++addresses_.at(client.address).answered;
    ++networks_.at(client.network).answered;
  }
  void ends_answer(const Client& client) {
    --addresses_.at(client.address).answered;
    --networks_.at(client.network).answered;
  }

  [[nodiscard]] Connections of_address(const Client& client) const {
    return find(addresses_, client.address);
  }
  [[nodiscard]] Connections of_network(const Client& client) const {
    return find(networks_, client.network);
  }

 private:
  using Known = std::map<asio::ip::address, Connections>;
  static Connections find(const Known& known, const asio::ip::address& whose) {
    const auto found = known.find(whose);
    return found == known.end() ? Connections{} : found->second;
  }
  static void remove(Known& known, const asio::ip::address& whose) {
    const auto found = known.find(whose);
    if (--found->second.open == 0) known.erase(found);
  }

  Known addresses_;
  Known networks_;
};

/// What server and sessions share; sessions may outlive the server, in the context's queue.
struct Shared {
  asio::io_context& context;
  Handler handler;
  ServerOptions options;
  std::size_t most = 0;
  std::list<Visitor*> waiting{};  ///< that are given nothing; the one that waits longest first
  std::size_t open = 0;
  std::list<Visitor*> answered{};  ///< that are being given one; who has been longest first
  Clients clients{};
  InWriting in_writing{};
  std::function<void()> on_room{};  ///< called when a session has ended

  /// For one client, so that nobody keeps all others out.
  [[nodiscard]] std::size_t most_of_one() const { return most - most / 4; }
  /// Whether a client may be answered once more. Who is being answered is not cut for others' sake,
  /// so each has one, or three times as many as are free: one that reads nothing leaves others a
  /// quarter, two that do not a seventh, and so on.
  [[nodiscard]] bool may_answer(const Client& client) const {
    const auto free = most - std::min(answered.size(), most);
    return clients.of_network(client).answered < std::max<std::size_t>(3 * free, 1) ||
           (clients.of_address(client).answered == 0 && free > kept_for_networks());
  }
  /// Whether another connection of that client has room beside those of its network.
  [[nodiscard]] bool has_room_beside_neighbours(const Client& client) const {
    return clients.of_network(client).open < most_of_one() ||
           (clients.of_address(client).open == 0 && open + kept_for_networks() < most);
  }

 private:
  /// Neighbours of whoever has all that a network may have are still let in, one connection each:
  /// where a node has one network for its pods, they are different people's. But for these, which
  /// are for others, as who has many connections may have many addresses of a network.
  [[nodiscard]] std::size_t kept_for_networks() const { return most / 8; }
};

constexpr std::string_view kNoTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 106\r\n"
    "Connection: close\r\n\r\n"
    "this address speaks HTTPS; on its own machine an agent may be asked at a UNIX socket "
    "(web.listen-address)\n";

/// Whether whoever was to begin a handshake has sent a request in plain text.
bool is_plain_request(const error_code& error) {
  return error.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
}

/// One connection: reads a request, answers, again. Kept alive by its own pending operations, and
/// by the answer that is being made.
template <typename Stream>
class Session final : public Visitor, public std::enable_shared_from_this<Session<Stream>> {
 public:
  /// `tls` is what the stream was made by, if it is one of TLS.
  Session(Stream stream, std::shared_ptr<asio::ssl::context> tls, Client client,
          std::shared_ptr<Shared> shared)
      : Visitor(std::move(client)),
        tls_(std::move(tls)),
        stream_(std::move(stream)),
        shared_(std::move(shared)),
        taken_(shared_->context),
        place_(shared_->waiting.end()),
        place_of_answer_(shared_->answered.end()) {
    ++shared_->open;
    shared_->clients.opened(this->client());
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;
  ~Session() override {
    stop_waiting();
    drop_answer();
    end_answer();
    part_friendly();
    --shared_->open;
    shared_->clients.closed(client());
    if (shared_->on_room) shared_->on_room();
  }

  void start() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      shake_hands();
    } else {
      read();
    }
    // What it sent before it was let in has been read by now, but is looked at in its turn: until
    // then it makes no room for others.
    stop_waiting();
    asio::post(shared_->context, [self = this->shared_from_this()] {
      const bool is_listed = self->place_ != self->shared_->waiting.end() ||
                             self->place_of_answer_ != self->shared_->answered.end();
      if (!is_listed && self->transport().socket().is_open()) self->start_waiting();
    });
  }
  void close() override {
    stop_waiting();
    part_friendly();
    taken_.cancel();
    transport().close();
  }
  bool was_answered() const override { return was_answered_; }
  bool owes() override { return answer_ || undelivered(); }
  bool stalls() override {
    if (!owes()) return false;
    const auto now = bytes_acknowledged(descriptor());
    const auto before = std::exchange(acknowledged_, now);
    return now.has_value() && now == before;
  }
  std::optional<double> pace() override {
    const auto time = std::chrono::steady_clock::now() - begun_;
    const auto now = bytes_acknowledged(descriptor());
    if (!owes() || time < kPatienceWithStalled || !now || !acknowledged_before_) {
      return std::nullopt;
    }
    const auto share = static_cast<double>(*now - *acknowledged_before_) /
                       static_cast<double>(std::max<std::uint64_t>(size_, 1));
    return share / (std::chrono::duration<double>(time) / kRequestTimeout);
  }

 private:
  /// Which has the deadlines.
  PlainStream& transport() { return beast::get_lowest_layer(stream_); }
  int descriptor() { return transport().socket().native_handle(); }

  [[nodiscard]] bool undelivered() {
    return transport().socket().is_open() && bytes_undelivered(descriptor()) > 0;
  }
  /// Whoever has been given everything sees a FIN, and no RST.
  void part_friendly() {
    if (!transport().socket().is_open() || owes()) return;
    drop_undelivered_on_close(descriptor(), false);
  }

  /// Until the client has taken its answer, the connection's end drops it, however it ends: in the
  /// kernel's memory it stays no longer than the connection in this server's bounds. Who has said
  /// all by then is given this time, too. The kernel tells nobody when all is taken, so it is
  /// asked.
  void wait_until_taken(std::chrono::steady_clock::time_point deadline) {
    if (answer_ || !transport().socket().is_open()) return;
    if (!undelivered()) return drop_undelivered_on_close(descriptor(), false);
    if (std::chrono::steady_clock::now() >= deadline) return close();
    taken_.expires_after(kTakenLook);
    taken_.async_wait([self = this->shared_from_this(), deadline](error_code error) {
      if (!error) self->wait_until_taken(deadline);
    });
  }

  /// Whoever does it makes room for others until it has asked.
  void shake_hands() {
    start_waiting();
    transport().expires_after(kRequestTimeout);
    stream_.async_handshake(
        asio::ssl::stream_base::server,
        [self = this->shared_from_this()](error_code error) { self->on_handshake(error); });
  }

  void on_handshake(const error_code& error) {
    if (!error) return read();
    // Who connects and goes has not asked for anything: a balancer looks so whether a port is open.
    const bool has_gone = error == asio::error::eof || error == asio::error::operation_aborted ||
                          error == asio::ssl::error::stream_truncated ||
                          error == asio::error::connection_reset;
    if (shared_->options.on_failed_handshake && !has_gone) {
      shared_->options.on_failed_handshake(name(),
                                           is_plain_request(error) ? "a request in plain HTTP"
                                           : error == beast::error::timeout ? "timed out"
                                                                            : error.message());
    }
    if (!is_plain_request(error)) return;
    asio::async_write(transport(), asio::buffer(kNoTls.data(), kNoTls.size()),
                      [self = this->shared_from_this()](error_code failed, std::size_t) {
                        if (!failed) self->end_of_answers();
                      });
  }

  /// From now on it makes room for others.
  void start_waiting() {
    stop_waiting();
    place_ = shared_->waiting.insert(shared_->waiting.end(), this);
  }
  void stop_waiting() {
    if (place_ != shared_->waiting.end()) shared_->waiting.erase(place_);
    place_ = shared_->waiting.end();
  }

  /// From now on it makes no room for others.
  void begin_answer() {
    stop_waiting();
    if (place_of_answer_ != shared_->answered.end()) return;
    place_of_answer_ = shared_->answered.insert(shared_->answered.end(), this);
    shared_->clients.begins_answer(client());
    acknowledged_.reset();
  }
  void end_answer() {
    if (place_of_answer_ == shared_->answered.end()) return;
    shared_->answered.erase(std::exchange(place_of_answer_, shared_->answered.end()));
    shared_->clients.ends_answer(client());
  }

  /// The next request may be long in coming; once it has begun it has as long as the first. Who
  /// waits has no buffer.
  void wait_for_request() {
    if (buffer_.size() > 0) return read();
    start_waiting();
    parser_.reset();
    buffer_.shrink_to_fit();
    transport().expires_after(kIdleTimeout);
    stream_.async_read_some(asio::buffer(first_), [self = this->shared_from_this()](
                                                      error_code error, std::size_t size) {
      if (error) return;
      const auto room = self->buffer_.prepare(size);
      self->buffer_.commit(asio::buffer_copy(room, asio::buffer(self->first_)));
      self->read();
    });
  }

  /// From here to the end of the answer there is one deadline.
  void read() {
    start_waiting();
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxBodyBytes);
    transport().expires_after(kRequestTimeout);
    wire::async_read_header(stream_, buffer_, *parser_,
                            [self = this->shared_from_this()](error_code error, std::size_t) {
                              self->on_header(error);
                            });
  }

  /// Who asks whether to send a body is told at once, and not left to wait (RFC 9110, section
  /// 10.1.1).
  void on_header(error_code error) {
    if (error) return refuse(error);
    if (parser_->is_done()) return on_request();
    if (beast::iequals(parser_->get()[wire::field::expect], "100-continue")) {
      return refuse(wire::error::body_limit);
    }
    wire::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](error_code failed, std::size_t) {
                       if (failed) return self->refuse(failed);
                       self->on_request();
                     });
  }

  void refuse(error_code error) {
    if (auto refusal = refusal_of(error, parser_->is_header_done())) {
      write(std::move(*refusal), true);
    }
  }

  void on_request() {
    const auto& message = parser_->get();
    const auto hosts = message.count(wire::field::host);
    constexpr unsigned kOnePointZero = 10;  // RFC 9112, section 3.2: later ones have a Host
    if (hosts > 1 || (hosts == 0 && message.version() > kOnePointZero)) {
      return write({.status = 400, .body = "a request has one Host\n"}, true);
    }
    auto request = to_request(message);
    if (request) request->client = name();
    if (!request) return write({.status = 400, .body = "not a path\n"});
    if (!shared_->may_answer(client())) {
      return write({.status = 503,
                    .body = "too many of this address are being answered; ask again\n",
                    .headers = {{"Retry-After", "10"}}},
                   true);
    }
    begin_answer();
    try {
      shared_->handler(*request, [self = this->shared_from_this()](Response response) {
        self->write(std::move(response));
      });
    } catch (const std::exception& thrown) {
      write({.status = 500, .body = std::string("internal error: ") + thrown.what() + "\n"});
    }
  }

  void write(Response response, bool closes = false) {
    if (!parser_ || answer_) return;
    begin_answer();
    if (!shared_->in_writing.takes(response)) {
      response = {.status = 503,
                  .body = "too much is still being given to others; ask again\n",
                  .headers = {{"Retry-After", "10"}}};
    }
    front_ = response.front;
    if (front_ != nullptr) shared_->in_writing.add(front_.get());
    answer_.emplace(parser_->get(), std::move(response), closes);
    begun_ = std::chrono::steady_clock::now();
    acknowledged_before_ = bytes_acknowledged(descriptor());
    size_ = answer_->size();
    drop_undelivered_on_close(descriptor(), true);
    wire::async_write(stream_, answer_->message(),
                      [self = this->shared_from_this()](error_code failed, std::size_t) {
                        self->on_written(failed);
                      });
  }

  void drop_answer() {
    if (front_ != nullptr) shared_->in_writing.remove(front_.get());
    front_.reset();
    answer_.reset();
  }

  void on_written(error_code error) {
    if (error) return;
    const bool is_last = answer_->is_last();
    drop_answer();
    end_answer();
    was_answered_ = true;
    wait_until_taken(std::chrono::steady_clock::now() + kRequestTimeout);
    if (!is_last) return wait_for_request();
    start_waiting();
    transport().expires_after(kLingerTimeout);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_shutdown(
          [self = this->shared_from_this()](error_code) { self->end_of_answers(); });
    } else {
      end_of_answers();
    }
  }

  void end_of_answers() {
    error_code ignored;
    transport().socket().shutdown(Socket::shutdown_send, ignored);
    start_waiting();
    transport().expires_after(undelivered() ? kRequestTimeout : kLingerTimeout);
    buffer_.clear();
    linger();
  }

  /// Closing a connection of which not all has been read resets it, and the client may lose the
  /// answer for that (RFC 9112, section 9.6).
  void linger() {
    constexpr std::size_t kAtOnce = 4096;
    transport().async_read_some(buffer_.prepare(kAtOnce), [self = this->shared_from_this()](
                                                              error_code error, std::size_t size) {
      self->lingered_ += size;
      if (!error && self->lingered_ < kMostLingering) self->linger();
    });
  }

  std::shared_ptr<asio::ssl::context> tls_;
  Stream stream_;
  std::array<char, 1> first_{};
  beast::flat_buffer buffer_{kMaxHeaderBytes + kMaxBodyBytes};
  std::optional<wire::request_parser<wire::string_body>> parser_;
  std::shared_ptr<const Content> front_;  ///< of the answer
  std::optional<Answer> answer_;
  std::chrono::steady_clock::time_point begun_{};     ///< the last answer
  std::optional<std::uint64_t> acknowledged_before_;  ///< it
  std::uint64_t size_ = 0;                            ///< of it
  std::optional<std::uint64_t> acknowledged_;         ///< when it was last looked
  bool was_answered_ = false;
  std::size_t lingered_ = 0;
  std::shared_ptr<Shared> shared_;
  asio::steady_timer taken_;
  std::list<Visitor*>::iterator place_;
  std::list<Visitor*>::iterator place_of_answer_;
};

/// Lets in as many as there is room for, by one socket that listens.
class Door {
 public:
  Door(std::shared_ptr<Shared> shared, ListeningSocket socket)
      : socket_(std::move(socket)),
        acceptor_(shared->context),
        retry_(shared->context),
        patience_(shared->context),
        shared_(std::move(shared)) {
    acceptor_.assign(Protocol(socket_.family(), 0), socket_.fd());
  }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  Door(Door&&) = delete;
  Door& operator=(Door&&) = delete;
  /// The descriptor is the socket's own.
  ~Door() {
    error_code ignored;
    acceptor_.release(ignored);
  }

  [[nodiscard]] const ListenAddress& address() const { return socket_.address(); }

  /// One more than there may be is let in where all others are being answered: it waits for one of
  /// them, and the next in the kernel's queue.
  void accept_if_room() {
    if (is_accepting_) return;
    if (shared_->open <= shared_->most) return accept();
    // Whose end leads here again. A newcomer would have to go before it is heard.
    if (close_one([](const Visitor& one) { return one.was_answered(); })) return;
    if (!is_looking_) look_for_stalled();
  }

 private:
  void accept() {
    is_accepting_ = true;
    acceptor_.async_accept([this](error_code error, Socket socket) {
      if (error == asio::error::operation_aborted) return;
      is_accepting_ = false;
      if (error) return accept_later();  // out of descriptors, most likely; they come back
      take(std::move(socket));
      accept_if_room();
    });
  }

  /// Whoever holds connections without asking makes room for whoever wants to; nobody else does.
  void take(Socket socket) {
    error_code error;
    const auto peer = socket.remote_endpoint(error);
    if (error) return;
    const Client client(peer);
    if (!shared_->has_room_beside_neighbours(client)) {
      const bool has_room = close_greediest(
          [&](const Visitor& one) { return one.client().network == client.network; });
      if (!has_room) return;
    } else if (shared_->open >= shared_->most) {
      close_greediest([](const Visitor& /*one*/) { return true; });
    }
    const auto& source = shared_->options.tls;
    auto tls = source && !client.is_local() ? source() : nullptr;
    if (tls == nullptr) {
      std::make_shared<Session<PlainStream>>(PlainStream(std::move(socket)), nullptr, client,
                                             shared_)
          ->start();
    } else {
      TlsStream stream(std::move(socket), *tls);
      std::make_shared<Session<TlsStream>>(std::move(stream), std::move(tls), client, shared_)
          ->start();
    }
  }

  /// One of these that has taken its last answer: of the network that has most, of the address in
  /// it that has most, that which has waited longest.
  template <typename Which>
  bool close_greediest(const Which& which) {
    const auto greed = [&](const Visitor& one) {
      return std::pair(shared_->clients.of_network(one.client()).open,
                       shared_->clients.of_address(one.client()).open);
    };
    Visitor* greediest = nullptr;
    for (auto* const one : shared_->waiting) {
      if (!which(*one) || one->owes()) continue;
      if (greediest == nullptr || greed(*one) > greed(*greediest)) greediest = one;
    }
    if (greediest == nullptr) return false;
    greediest->close();
    return true;
  }

  /// The one of these that has waited longest, and has taken its last answer.
  template <typename Which>
  bool close_one(const Which& which) {
    const auto found =
        std::find_if(shared_->waiting.begin(), shared_->waiting.end(),
                     [&](Visitor* session) { return which(*session) && !session->owes(); });
    if (found == shared_->waiting.end()) return false;
    (*found)->close();
    return true;
  }

  /// While others wait, who takes nothing of its answer from one look to the next has to go: so
  /// many as wait, those who have been answered longest first. Where these make not much room, who
  /// would not have taken its answer when its time is over goes now.
  void look_for_stalled() {
    is_looking_ = true;
    patience_.expires_after(kPatienceWithStalled);
    patience_.async_wait([this](error_code error) {
      if (error) return;
      is_looking_ = false;
      if (shared_->open <= shared_->most) return accept_if_room();
      const auto wanted = accept_queue_length(acceptor_.native_handle());
      auto owing = shared_->answered;  // who is closed leaves it, now or later
      owing.insert(owing.end(), shared_->waiting.begin(), shared_->waiting.end());
      std::size_t closed = 0;
      std::vector<std::pair<double, Visitor*>> late;
      for (auto* const session : owing) {
        if (session->stalls() && closed < wanted) {
          session->close();
          ++closed;
        } else if (const auto pace = session->pace(); pace && *pace < 1) {
          late.emplace_back(*pace, session);
        }
      }
      std::sort(late.begin(), late.end());
      for (const auto& [pace, session] : late) {
        if (closed >= std::min(wanted, shared_->most / 2)) break;
        session->close();
        ++closed;
      }
      accept_if_room();
    });
  }

  void accept_later() {
    retry_.expires_after(kAcceptRetry);
    retry_.async_wait([this](error_code error) {
      if (!error) accept_if_room();
    });
  }

  ListeningSocket socket_;
  asio::basic_socket_acceptor<Protocol> acceptor_;
  asio::steady_timer retry_;
  asio::steady_timer patience_;
  bool is_accepting_ = false;
  bool is_looking_ = false;
  std::shared_ptr<Shared> shared_;
};

class BeastServer final : public Server {
 public:
  BeastServer(asio::io_context& context, Handler handler, ServerOptions options)
      : shared_(std::make_shared<Shared>(Shared{context, std::move(handler), std::move(options)})) {
    shared_->most = most_connections(shared_->options.most_connections);
    shared_->on_room = [this] {
      for (const auto& door : doors_) door->accept_if_room();
    };
  }
  BeastServer(const BeastServer&) = delete;
  BeastServer& operator=(const BeastServer&) = delete;
  BeastServer(BeastServer&&) = delete;
  BeastServer& operator=(BeastServer&&) = delete;
  ~BeastServer() override { shared_->on_room = {}; }

  void open(ListeningSocket socket) {
    doors_.push_back(std::make_unique<Door>(shared_, std::move(socket)));
    doors_.back()->accept_if_room();
  }

  [[nodiscard]] std::vector<ListenAddress> addresses() const override {
    std::vector<ListenAddress> addresses;
    for (const auto& door : doors_) addresses.push_back(door->address());
    return addresses;
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Door>> doors_;
};

}  // namespace

Result<std::unique_ptr<Server>> serve(asio::io_context& context, const Listeners& listeners,
                                      Handler handler, ServerOptions options) {
  auto server = std::make_unique<BeastServer>(context, std::move(handler), std::move(options));
  for (const auto& address : listeners.addresses) {
    auto socket = ListeningSocket::open(address);
    if (!socket) return tl::unexpected(socket.error());
    server->open(std::move(*socket));
  }
  for (const int descriptor : listeners.descriptors) {
    auto socket = ListeningSocket::adopt(UniqueFd(descriptor));
    if (!socket) return tl::unexpected(socket.error());
    server->open(std::move(*socket));
  }
  return server;
}

}  // namespace closewatch::http
