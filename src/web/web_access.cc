#include "closewatch/web/web_access.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "closewatch/base/printable.h"
#include "web/basic_credentials.h"
#include "web/loaded_config.h"
#include "web/password_check.h"
#include "web/token_bucket.h"

namespace closewatch::web {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenLooks{1};
constexpr std::chrono::minutes kBetweenLines{1};

http::Response refusal_to(Refusal refusal) {
  switch (refusal) {
    case Refusal::kTooOften:
      return {.status = 429,
              .body = "wrong too often; try again later\n",
              .headers = {{"Retry-After", "6"}}};
    case Refusal::kBusy:
      return {.status = 503,
              .body = "too many passwords are being looked at; try again\n",
              .headers = {{"Retry-After", "1"}}};
    case Refusal::kRateLimit:
      return {.status = 429,
              .body = "more requests than rate_limit lets in\n",
              .headers = {{"Retry-After", "1"}}};
    case Refusal::kHandshake:
    case Refusal::kCredentials:
      break;
  }
  return {.status = 401,
          .body =
              "this agent wants a name and a password; on its own machine it may be asked at a "
              "UNIX socket (web.listen-address)\n",
          .headers = {{"WWW-Authenticate", R"(Basic realm="closewatch", charset="UTF-8")"}}};
}

/// What was refused is told at once for the first time, and then once a minute for all since.
class RefusalLog {
 public:
  explicit RefusalLog(const std::function<void(const std::string&)>& warn) : warn_(warn) {}

  void add(Refusal refusal, const std::string& client, const std::string& why) {
    auto& entry = entries_[refusal];
    ++entry.count;
    const auto now = steady_clock::now();
    if (entry.told_at && now - *entry.told_at < kBetweenLines) return;
    warn_(printable(fmt::format("{} not let in ({}), lastly {}: {}", std::exchange(entry.count, 0),
                                kRefusalNames.at(static_cast<std::size_t>(refusal)), client, why)));
    entry.told_at = now;
  }

 private:
  struct Entry {
    std::uint64_t count = 0;
    std::optional<steady_clock::time_point> told_at{};
  };

  const std::function<void(const std::string&)>& warn_;
  std::map<Refusal, Entry> entries_;
};

class FileAccess final : public WebAccess {
 public:
  FileAccess(boost::asio::io_context& context, std::string file, WebLog log, LoadedConfig config,
             std::string state)
      : file_(std::move(file)),
        log_(std::move(log)),
        refusals_(log_.warn),
        looked_at_(state),
        timer_(context),
        passwords_(context) {
    take(std::move(config), std::move(state));
    look_later();
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
    refuse(Refusal::kHandshake, client, why);
  }

  [[nodiscard]] WebFacts facts() const override { return facts_; }

 private:
  void let_in(const http::Handler& inner, const http::Request& request,
              const http::Reply& plain_reply) {
    const http::Reply reply = [config = config_, plain_reply](http::Response response) {
      for (const auto& header : config->settings.headers) add(header, response);
      plain_reply(std::move(response));
    };
    if (!bucket_->take(steady_clock::now())) {
      return refuse(Refusal::kRateLimit, request, reply);
    }
    const auto& users = config_->settings.users;
    if (users.empty()) return inner(request, reply);
    auto credentials = BasicCredentials::parse(request.authorization);
    if (!credentials) return refuse(Refusal::kCredentials, request, reply);
    passwords_.check(users, credentials->user, std::move(credentials->password), request.client,
                     [this, inner, request = without_password(request), reply](Verdict verdict) {
                       switch (verdict) {
                         case Verdict::kRight:
                           return inner(request, reply);
                         case Verdict::kWrong:
                           return refuse(Refusal::kCredentials, request, reply);
                         case Verdict::kTooOften:
                           return refuse(Refusal::kTooOften, request, reply);
                         case Verdict::kBusy:
                           return refuse(Refusal::kBusy, request, reply);
                       }
                     });
  }

  static http::Request without_password(http::Request request) {
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

  void refuse(Refusal refusal, const http::Request& request, const http::Reply& reply) {
    refuse(refusal, request.client, request.path);
    reply(refusal_to(refusal));
  }

  void refuse(Refusal refusal, const std::string& client, const std::string& why) {
    ++facts_.refused.at(static_cast<std::size_t>(refusal));
    refusals_.add(refusal, client, why);
  }

  void take(LoadedConfig config, std::string state) {
    for (const auto& remark : config.remarks) log_.warn(remark);
    config_ = std::make_shared<const LoadedConfig>(std::move(config));
    bucket_.emplace(config_->settings.rate_limit, steady_clock::now());
    in_force_ = std::move(state);
    facts_.is_current = true;
    facts_.loaded_at = std::chrono::system_clock::now();
  }

  void look_later() {
    timer_.expires_after(kBetweenLooks);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      look();
      look_later();
    });
  }

  /// A file that is being written may be right and not whole: so it is read when it is the same in
  /// two looks.
  void look() {
    auto state = state_of_files(file_, config_->settings);
    const bool is_settled = state == looked_at_;
    looked_at_ = state;
    const bool is_new = state != in_force_ || !complaint_.empty();
    if (!is_settled || !is_new) return;
    auto config = load_config(file_);
    if (config && state_of_files(file_, config_->settings) != state) return;  // while it was read
    if (config && !config->protects() && config_->protects()) {
      config = fail(ErrorKind::kMalformed,
                    file_ +
                        ": it has neither TLS nor users, which it had; to do without, restart "
                        "the agent");
    }
    if (!config) {
      facts_.is_current = false;
      if (config.error().what == complaint_) return;
      complaint_ = config.error().what;
      return log_.warn("the web configuration is wrong, and what was read last stays: " +
                       complaint_);
    }
    complaint_.clear();
    // It may name other files than before.
    state = state_of_files(file_, config->settings);
    take(std::move(*config), std::move(state));
    log_.info("the web configuration was read anew: " + file_);
  }

  std::string file_;
  WebLog log_;
  RefusalLog refusals_;
  std::shared_ptr<const LoadedConfig> config_;
  std::optional<TokenBucket> bucket_;
  std::string in_force_;  ///< the state of the files that is
  std::string
      complaint_;  ///< about what the files say by now, or nothing: it is tried again and again
  std::string looked_at_;
  WebFacts facts_{};
  boost::asio::steady_timer timer_;
  PasswordCheck passwords_;
};

}  // namespace

Result<std::vector<std::string>> check_web_config(const std::string& file) {
  auto config = load_config(file);
  if (!config) return tl::unexpected(config.error());
  return std::move(config->remarks);
}

Result<std::unique_ptr<WebAccess>> WebAccess::open(boost::asio::io_context& context,
                                                   const std::string& file, WebLog log) {
  auto config = load_config(file);
  if (!config) return tl::unexpected(config.error());
  auto state = state_of_files(file, config->settings);
  return std::make_unique<FileAccess>(context, file, std::move(log), std::move(*config),
                                      std::move(state));
}

}  // namespace closewatch::web
