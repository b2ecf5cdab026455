// SPDX-License-Identifier: Apache-2.0
#include "closewatch/web/web_access.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "closewatch/base/printable.h"
#include "closewatch/http/url_segment.h"
#include "web/authorization.h"
#include "web/basic_credentials.h"
#include "web/loaded_config.h"
#include "web/password_check.h"
#include "web/refusal_log.h"
#include "web/token_bucket.h"
#include "web/token_check.h"
#include "web/watched_config.h"

namespace closewatch::web {
namespace {

using std::chrono::steady_clock;

constexpr const char* kElsewhere =
    "; on its own machine it may be asked at a UNIX socket (web.listen-address)\n";

/// Which ways in there are beside TLS.
struct Ways {
  bool by_password = false;
  bool by_token = false;
};

http::Response challenge(const Ways& ways) {
  constexpr const char* kPassword = "a name and a password";
  constexpr const char* kToken = "a bearer token of Kubernetes";
  constexpr const char* kBasic = R"(Basic realm="closewatch", charset="UTF-8")";
  constexpr const char* kBearer = R"(Bearer realm="closewatch")";
  const bool both = ways.by_password && ways.by_token;
  const auto wanted = both            ? fmt::format("{}, or {}", kPassword, kToken)
                      : ways.by_token ? kToken
                                      : std::string(kPassword);
  const auto schemes = both            ? fmt::format("{}, {}", kBasic, kBearer)
                       : ways.by_token ? kBearer
                                       : std::string(kBasic);
  return {.status = 401,
          .body = "this agent wants " + wanted + kElsewhere,
          .headers = {{"WWW-Authenticate", schemes}}};
}

http::Response try_later(unsigned status, std::string why, const char* seconds) {
  return {.status = status, .body = std::move(why), .headers = {{"Retry-After", seconds}}};
}

/// The path as it is answered, in the one form in which roles can name it: what is encoded and need
/// not be, is not. Kubernetes lets each account get its own /api/* and /apis/* (the ClusterRole
/// system:discovery), so what begins like that here has another name.
std::string path_in_roles(const http::Request& request) {
  std::string path;
  for (const auto& segment : request.segments) path += "/" + http::url_segment(segment);
  if (path.starts_with("/api")) path.insert(0, "/closewatch");
  return path.empty() ? "/" : path;
}

class GuardedAccess final : public WebAccess {
 public:
  GuardedAccess(boost::asio::io_context& context, const WebKeys& keys, WebLog log)
      : log_(std::move(log)), refusals_(log_.warn) {
    if (!keys.file.empty()) passwords_.emplace(context);
    if (keys.reviewer != nullptr) tokens_.emplace(*keys.reviewer);
  }

  Result<void> read(boost::asio::io_context& context, const WebKeys& keys) {
    if (keys.file.empty()) {
      auto config = load_config("", keys.reviewer != nullptr);
      if (!config) return tl::unexpected(config.error());
      for (const auto& remark : config->remarks) log_.warn(remark);
      take(std::make_shared<const LoadedConfig>(std::move(*config)));
      return {};
    }
    auto file =
        WatchedConfig::open(context, keys, log_, [this](auto config) { take(std::move(config)); });
    if (!file) return tl::unexpected(file.error());
    file_ = std::move(*file);
    take(file_->config());
    return {};
  }

  http::Handler guard(http::Handler inner) override {
    return
        [this, inner = std::move(inner)](const http::Request& request, const http::Reply& reply) {
          if (request.client.empty()) return inner(request, reply);
          let_in(inner, request, reply);
        };
  }

  std::shared_ptr<boost::asio::ssl::context> tls() override { return config_->tls; }

  void note_failed_handshake(const std::string& client, const std::string& why) override {
    count(Refusal::kHandshake, client, why);
  }

  [[nodiscard]] WebFacts facts() const override {
    auto facts = facts_;
    if (file_ != nullptr) facts.file = file_->facts();
    return facts;
  }

 private:
  void let_in(const http::Handler& inner, const http::Request& request,
              const http::Reply& plain_reply) {
    const http::Reply reply = [config = config_, plain_reply](http::Response response) {
      for (const auto& header : config->settings.headers) add(header, response);
      plain_reply(std::move(response));
    };
    if (!bucket_->take(steady_clock::now())) {
      count(Refusal::kRateLimit, request.client, request.path);
      return reply(try_later(429, "more requests than rate_limit lets in\n", "1"));
    }
    const Ways ways{!config_->settings.users.empty(), tokens_.has_value()};
    if (!ways.by_password && !ways.by_token) return inner(request, reply);
    if (ways.by_password) {
      if (auto credentials = BasicCredentials::parse(request.authorization)) {
        return check(std::move(*credentials), inner, request, reply);
      }
    }
    if (ways.by_token) {
      if (const auto token = bearer_token(request.authorization)) {
        return check(std::string(*token), inner, request, reply);
      }
    }
    refuse_credentials(request, reply);
  }

  void check(BasicCredentials credentials, const http::Handler& inner, const http::Request& request,
             const http::Reply& reply) {
    passwords_->check(config_->settings.users, credentials.user, std::move(credentials.password),
                      request.client,
                      [this, inner, request = without_secret(request), reply](Verdict verdict) {
                        switch (verdict) {
                          case Verdict::kRight:
                            return inner(request, reply);
                          case Verdict::kWrong:
                            return refuse_credentials(request, reply);
                          case Verdict::kTooOften:
                            return refuse_too_often(request, reply);
                          case Verdict::kBusy:
                            return refuse_busy("passwords", request, reply);
                        }
                      });
  }

  void check(std::string token, const http::Handler& inner, const http::Request& request,
             const http::Reply& reply) {
    tokens_->check(
        std::move(token), path_in_roles(request), request.client,
        [this, inner, request = without_secret(request), reply](const TokenCheck::Answer& answer) {
          switch (answer.outcome) {
            case TokenCheck::Outcome::kAllowed:
              return inner(request, reply);
            case TokenCheck::Outcome::kNobodys:
              return refuse_credentials(request, reply);
            case TokenCheck::Outcome::kForbidden:
              return refuse_path(answer.told, request, reply);
            case TokenCheck::Outcome::kTooOften:
              return refuse_too_often(request, reply);
            case TokenCheck::Outcome::kBusy:
              return refuse_busy("tokens", request, reply);
            case TokenCheck::Outcome::kNotKnown:
              return refuse_unreviewed(answer.told, request, reply);
          }
        });
  }

  static http::Request without_secret(http::Request request) {
    request.authorization.clear();
    return request;
  }

  /// What the page says for itself stays: it is stricter than anybody could be who does not know
  /// it.
  static void add(const std::pair<std::string, std::string>& header, http::Response& response) {
    const auto same = [&](const auto& other) { return other.first == header.first; };
    const bool has_one = std::any_of(response.headers.begin(), response.headers.end(), same);
    if (!has_one) response.headers.push_back(header);
  }

  void refuse_credentials(const http::Request& request, const http::Reply& reply) {
    count(Refusal::kCredentials, request.client, request.path);
    reply(challenge({!config_->settings.users.empty(), tokens_.has_value()}));
  }

  void refuse_too_often(const http::Request& request, const http::Reply& reply) {
    count(Refusal::kTooOften, request.client, request.path);
    reply(try_later(429, "wrong too often; try again later\n", "6"));
  }

  void refuse_busy(const char* with, const http::Request& request, const http::Reply& reply) {
    count(Refusal::kBusy, request.client, request.path);
    reply(try_later(503, fmt::format("too many {} are being looked at; try again\n", with), "1"));
  }

  void refuse_path(const std::string& user, const http::Request& request,
                   const http::Reply& reply) {
    const auto path = path_in_roles(request);
    const auto why = printable(fmt::format("{} may not get {}", user, path));
    count(Refusal::kForbidden, request.client, why);
    reply({.status = 403,
           .body = why +
                   "; a ClusterRole with the verb get of that path among its nonResourceURLs lets "
                   "it\n"});
  }

  /// Why is for the log: it names the cluster's insides.
  void refuse_unreviewed(const std::string& why, const http::Request& request,
                         const http::Reply& reply) {
    count(Refusal::kNotReviewed, request.client, why);
    reply(try_later(
        503, "the API server has not said whose the token is; the agent's log has why\n", "5"));
  }

  void count(Refusal refusal, const std::string& client, const std::string& why) {
    ++facts_.refused.at(static_cast<std::size_t>(refusal));
    refusals_.add(refusal, client, why);
  }

  void take(std::shared_ptr<const LoadedConfig> config) {
    config_ = std::move(config);
    bucket_.emplace(config_->settings.rate_limit, steady_clock::now());
  }

  WebLog log_;
  RefusalLog refusals_;
  std::unique_ptr<WatchedConfig> file_;  ///< null: there is none
  std::shared_ptr<const LoadedConfig> config_;
  std::optional<TokenBucket> bucket_;
  WebFacts facts_{};
  std::optional<TokenCheck> tokens_;
  std::optional<PasswordCheck> passwords_;  ///< where there may be users
};

}  // namespace

Result<std::vector<std::string>> check_web_config(const std::string& file, bool takes_tokens) {
  auto config = load_config(file, takes_tokens);
  if (!config) return tl::unexpected(config.error());
  return std::move(config->remarks);
}

Result<std::unique_ptr<WebAccess>> WebAccess::open(boost::asio::io_context& context,
                                                   const WebKeys& keys, WebLog log) {
  auto access = std::make_unique<GuardedAccess>(context, keys, std::move(log));
  if (auto read = access->read(context, keys); !read) return tl::unexpected(read.error());
  return access;
}

}  // namespace closewatch::web
