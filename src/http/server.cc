// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <functional>
#include <iterator>
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

#include "closewatch/http/content.h"
#include "http/answer.h"
#include "http/beast_text.h"
#include "http/clients.h"
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
// What a connection of TLS has in buffers is some of those in plain text.
constexpr std::size_t kPlainInOneOfTls = 4;
// Of what the kernel holds for as many clients as take nothing. Others' wait for one of these.
constexpr std::size_t kMostDeliveries = 64;
// What may lie in each connection's buffer beside these: the answers to probes, refusals.
constexpr std::size_t kSmallAnswer = 4096;
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
constexpr std::chrono::milliseconds kPatience{500};  // some round trips to the farthest client
constexpr std::chrono::milliseconds kLookForStalled{100};
constexpr std::chrono::milliseconds kTakenLook{50};

/// How many connections may be open, where `most` are wanted.
std::size_t most_connections(std::size_t most) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return most;
  return std::clamp<std::size_t>(limit.rlim_cur / kShareOfDescriptors,
                                 std::min(kFewestConnections, most), most);
}

/// What is asked for, of what host.
struct Target {
  std::string path;
  std::string host;
};

/// Also one that is asked as a proxy is: its own host counts then, and not the header's (RFC 9112,
/// section 3.2.2). nullopt when it is neither.
std::optional<Target> target_of(const WireRequest& message) {
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
std::optional<Request> to_request(const WireRequest& message) {
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
  /// Its turn has come: gives its answer.
  virtual void deliver() = 0;
  /// Whether it has just come, so that its first request may be on its way.
  [[nodiscard]] virtual bool is_new() const = 0;
  /// Whether it has one of the places for large answers.
  [[nodiscard]] virtual bool has_delivery() const = 0;
  /// Whether some of an answer has still to be taken, by the kernel or from it.
  [[nodiscard]] virtual bool owes() = 0;
  /// Whether its client has taken nothing of an answer for as long as others are patient. What it
  /// has taken is noticed when this is asked.
  virtual bool stalls() = 0;
  /// By how much its client is faster than it has to be for taking its answer in time; below 1 it
  /// will not. nullopt where that cannot be told, or not yet.
  virtual std::optional<double> pace() = 0;

 private:
  Client client_;
};

/// What server and sessions share; sessions may outlive the server, in the context's queue.
struct Shared {
  asio::io_context& context;
  Handler handler;
  ServerOptions options;
  std::size_t most = 0;             ///< connections
  std::size_t most_deliveries = 0;  ///< large answers that are being delivered
  std::list<Visitor*> waiting{};    ///< that are given nothing; the one that waits longest first
  std::size_t open = 0;
  std::list<Visitor*> queued{};      ///< whose large answer waits for its turn; the longest first
  std::list<Visitor*> delivering{};  ///< whose large answer is taken; who has been longest first
  Clients clients{};
  InWriting in_writing{};
  std::function<void()> on_room{};      ///< called when a session has ended
  std::function<void()> on_shortage{};  ///< called when somebody waits for who does not go

  /// Of connections, for one client, so that nobody keeps all others out.
  [[nodiscard]] std::size_t most_of_one() const { return most - most / 4; }
  /// Whether a client may be answered once more. Who is being answered is not cut for others' sake,
  /// so each has one, or three times as many as are free: one that reads nothing leaves others a
  /// quarter, two that do not a seventh, and so on.
  [[nodiscard]] bool may_answer(const Client& client) const {
    const auto free = most_deliveries - std::min(delivering.size(), most_deliveries);
    return clients.of_network(client).answered < std::max<std::size_t>(3 * free, 1) ||
           (clients.of_address(client).answered == 0 && free > kept_for_networks(most_deliveries));
  }
  /// Whether another connection of that client has room beside those of its network.
  [[nodiscard]] bool has_room_beside_neighbours(const Client& client) const {
    return clients.of_network(client).open < most_of_one() ||
           (clients.of_address(client).open == 0 && open + kept_for_networks(most) < most);
  }
  /// To who waits for it. Whose network is given least comes first: O(queued).
  void deliver_more() {
    const auto given = [this](const Visitor* one) {
      return clients.of_network(one->client()).answered;
    };
    while (!queued.empty() && delivering.size() < most_deliveries) {
      const auto next = std::min_element(
          queued.begin(), queued.end(),
          [&](const Visitor* one, const Visitor* other) { return given(one) < given(other); });
      (*next)->deliver();
    }
    if (!queued.empty() && on_shortage) on_shortage();
  }

 private:
  /// Neighbours of whoever has all that a network may have are still let in, one connection each:
  /// where a node has one network for its pods, they are different people's. But for these, which
  /// are for others, as who has many connections may have many addresses of a network.
  [[nodiscard]] static std::size_t kept_for_networks(std::size_t all) { return all / 8; }
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

/// One's place among others.
class Place {
 public:
  explicit Place(std::list<Visitor*>& all) : all_(all), here_(all.end()) {}

  /// At the end, from wherever it was.
  void enter(Visitor& one) {
    leave();
    here_ = all_.insert(all_.end(), &one);
  }
  /// False where it was not there.
  bool leave() {
    if (!is_in()) return false;
    all_.erase(std::exchange(here_, all_.end()));
    return true;
  }
  [[nodiscard]] bool is_in() const { return here_ != all_.end(); }

 private:
  std::list<Visitor*>& all_;
  std::list<Visitor*>::iterator here_;
};

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
        turn_(shared_->context),
        waiting_(shared_->waiting),
        queued_(shared_->queued),
        delivering_(shared_->delivering) {
    ++shared_->open;
    shared_->clients.opened(this->client());
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;
  ~Session() override {
    waiting_.leave();
    queued_.leave();
    drop_answer();
    end_answer();
    part_friendly();
    --shared_->open;
    shared_->clients.closed(client());
    end_delivery();
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
    waiting_.leave();
    asio::post(shared_->context, [self = this->shared_from_this()] {
      const bool is_listed = self->waiting_.is_in() || self->is_answered_;
      if (!is_listed && self->transport().socket().is_open()) self->waiting_.enter(*self);
    });
  }
  void close() override {
    waiting_.leave();
    queued_.leave();
    part_friendly();
    taken_.cancel();
    turn_.cancel();
    transport().close();
  }
  void deliver() override {
    queued_.leave();
    delivering_.enter(*this);
    turn_.cancel();
    send();
  }
  bool is_new() const override {
    return !was_answered_ && std::chrono::steady_clock::now() - opened_ < kPatience;
  }
  bool has_delivery() const override { return delivering_.is_in(); }
  bool owes() override { return answer_ || undelivered() > 0; }
  bool stalls() override {
    if (queued_.is_in() || !owes()) return false;
    const auto now = std::chrono::steady_clock::now();
    const auto acknowledged = bytes_acknowledged(descriptor());
    if (acknowledged != std::exchange(acknowledged_, acknowledged)) progressed_ = now;
    return acknowledged.has_value() && now - progressed_ >= kPatience;
  }
  std::optional<double> pace() override {
    const auto time = std::chrono::steady_clock::now() - begun_;
    const auto now = bytes_acknowledged(descriptor());
    if (queued_.is_in() || !owes() || time < kPatience || !now || !acknowledged_before_) {
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

  /// In bytes.
  [[nodiscard]] std::size_t undelivered() {
    return transport().socket().is_open() ? bytes_undelivered(descriptor()) : 0;
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
    if (undelivered() == 0) {
      drop_undelivered_on_close(descriptor(), false);
      return end_delivery();
    }
    if (std::chrono::steady_clock::now() >= deadline) return close();
    taken_.expires_after(kTakenLook);
    taken_.async_wait([self = this->shared_from_this(), deadline](error_code error) {
      if (!error) self->wait_until_taken(deadline);
    });
  }

  /// Whoever does it makes room for others until it has asked.
  void shake_hands() {
    waiting_.enter(*this);
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

  /// From now on it makes no room for others.
  void begin_answer() {
    waiting_.leave();
    if (std::exchange(is_answered_, true)) return;
    shared_->clients.begins_answer(client());
  }
  void end_answer() {
    if (std::exchange(is_answered_, false)) shared_->clients.ends_answer(client());
  }
  void end_delivery() {
    if (delivering_.leave()) shared_->deliver_more();
  }

  /// The next request may be long in coming; once it has begun it has as long as the first. Who
  /// waits has no buffer.
  void wait_for_request() {
    if (buffer_.size() > 0) return read();
    waiting_.enter(*this);
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
    waiting_.enter(*this);
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxBodyBytes);
    deadline_ = std::chrono::steady_clock::now() + kRequestTimeout;
    transport().expires_at(deadline_);
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
    if (has_delivery() || answer_->size() + undelivered() <= kSmallAnswer) return send();
    queued_.enter(*this);
    turn_.expires_at(deadline_);
    turn_.async_wait([self = this->shared_from_this()](error_code error) {
      if (!error) self->close();
    });
    shared_->deliver_more();
  }

  void send() {
    progressed_ = begun_ = std::chrono::steady_clock::now();
    acknowledged_ = acknowledged_before_ = bytes_acknowledged(descriptor());
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
    waiting_.enter(*this);
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
    waiting_.enter(*this);
    transport().expires_after(undelivered() > 0 ? kRequestTimeout : kLingerTimeout);
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
  std::chrono::steady_clock::time_point opened_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point deadline_{};    ///< of the last request and its answer
  std::chrono::steady_clock::time_point begun_{};       ///< to deliver the last answer
  std::optional<std::uint64_t> acknowledged_before_;    ///< it
  std::uint64_t size_ = 0;                              ///< of it
  std::optional<std::uint64_t> acknowledged_;           ///< when it was last looked
  std::chrono::steady_clock::time_point progressed_{};  ///< when that was last seen to grow
  bool is_answered_ = false;
  bool was_answered_ = false;
  std::size_t lingered_ = 0;
  std::shared_ptr<Shared> shared_;
  asio::steady_timer taken_;
  asio::steady_timer turn_;
  Place waiting_;
  Place queued_;
  Place delivering_;
};

/// Lets in as many as there is room for, by one socket that listens.
class Door {
 public:
  Door(std::shared_ptr<Shared> shared, ListeningSocket socket)
      : socket_(std::move(socket)),
        acceptor_(shared->context),
        retry_(shared->context),
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

  /// How many wait in the kernel's queue for who does not go.
  [[nodiscard]] std::size_t kept_out() {
    return shared_->open <= shared_->most ? 0 : accept_queue_length(acceptor_.native_handle());
  }
  /// One more than there may be is let in where nobody goes: it waits for that, and the next in the
  /// kernel's queue.
  void accept_if_room() {
    if (is_accepting_) return;
    if (shared_->open <= shared_->most) return accept();
    // Whose end leads here again.
    if (close_greediest(has_had_its_time)) return;
    if (shared_->on_shortage) shared_->on_shortage();
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

  /// Who has just come may have asked: the request is on its way.
  static bool has_had_its_time(const Visitor& one) { return !one.is_new(); }

  /// Whoever holds connections without asking makes room for whoever wants to; nobody else does.
  /// Of a network that has all it may have, its own: it would be let in no more otherwise.
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
      close_greediest(has_had_its_time);
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
  /// it that has most, that which has waited longest. Only who comes into question is looked at in
  /// the kernel.
  template <typename Which>
  bool close_greediest(const Which& which) {
    const auto greed = [&](const Visitor& one) {
      return std::pair(shared_->clients.of_network(one.client()).open,
                       shared_->clients.of_address(one.client()).open);
    };
    Visitor* greediest = nullptr;
    for (auto* const one : shared_->waiting) {
      if (!which(*one)) continue;
      if (greediest != nullptr && greed(*one) <= greed(*greediest)) continue;
      if (!one->owes()) greediest = one;
    }
    if (greediest == nullptr) return false;
    greediest->close();
    return true;
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
  bool is_accepting_ = false;
  std::shared_ptr<Shared> shared_;
};

class BeastServer final : public Server {
 public:
  BeastServer(asio::io_context& context, Handler handler, ServerOptions options)
      : shared_(std::make_shared<Shared>(Shared{context, std::move(handler), std::move(options)})),
        look_(context) {
    const auto wanted = shared_->options.most_connections;
    shared_->most = most_connections(shared_->options.tls ? wanted / kPlainInOneOfTls : wanted);
    shared_->most_deliveries = std::min(kMostDeliveries, shared_->most);
    shared_->on_room = [this] { let_in(); };
    shared_->on_shortage = [this] {
      if (!is_looking_) look_for_stalled();
    };
  }
  BeastServer(const BeastServer&) = delete;
  BeastServer& operator=(const BeastServer&) = delete;
  BeastServer(BeastServer&&) = delete;
  BeastServer& operator=(BeastServer&&) = delete;
  ~BeastServer() override {
    shared_->on_room = {};
    shared_->on_shortage = {};
    shared_->most_deliveries = 0;  // sessions that end with the context begin nobody's answer
  }

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
  void let_in() {
    for (const auto& door : doors_) door->accept_if_room();
  }

  /// How many wait for somebody to go.
  [[nodiscard]] std::size_t wanted() const {
    return std::accumulate(
        doors_.begin(), doors_.end(), shared_->queued.size(),
        [](std::size_t sum, const auto& door) { return sum + door->kept_out(); });
  }

  void look_for_stalled() {
    if (!is_short_) window_ = {std::chrono::steady_clock::now(), 0};
    is_short_ = is_looking_ = true;
    look_.expires_after(kLookForStalled);
    look_.async_wait([this](error_code error) {
      if (error) return;
      is_looking_ = false;
      make_room(wanted());
      shared_->deliver_more();
      let_in();
      is_short_ = is_looking_;
    });
  }

  /// While others wait, who takes nothing of its answer has to go: so many as wait, those who have
  /// been answered longest first. Where these make not much room for as long as others are patient,
  /// who would not have taken its answer when its time is over goes now.
  void make_room(std::size_t most) {
    std::vector<std::pair<double, Visitor*>> late;
    std::size_t closed = 0;
    for (auto* const session : owing()) {
      if (session->stalls() && closed < most) {
        session->close();
        ++closed;
      } else if (const auto pace = session->pace(); pace && *pace < 1) {
        late.emplace_back(*pace, session);
      }
    }
    window_.closed += closed;
    const auto now = std::chrono::steady_clock::now();
    if (now - window_.begun < kPatience) return;
    const auto enough = std::min(most, shared_->most_deliveries / 2);
    const auto missing = enough - std::min(enough, window_.closed);
    std::sort(late.begin(), late.end());
    late.resize(std::min(late.size(), missing));
    for (const auto& [pace, session] : late) session->close();
    window_ = {now, 0};
  }

  /// Who has been longest first. Who is closed leaves the lists, now or later.
  [[nodiscard]] std::list<Visitor*> owing() const {
    auto owing = shared_->delivering;
    std::copy_if(shared_->waiting.begin(), shared_->waiting.end(), std::back_inserter(owing),
                 [](const Visitor* one) { return !one->has_delivery(); });
    return owing;
  }

  /// Of looks, with how many were closed in them.
  struct Window {
    std::chrono::steady_clock::time_point begun{};
    std::size_t closed = 0;
  };

  std::shared_ptr<Shared> shared_;
  asio::steady_timer look_;
  bool is_looking_ = false;
  bool is_short_ = false;
  Window window_{};
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
