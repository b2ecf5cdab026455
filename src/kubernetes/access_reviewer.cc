// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/access_reviewer.h"

#include <list>
#include <optional>
#include <span>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <openssl/crypto.h>

#include "closewatch/kubernetes/pod_objects.h"
#include "closewatch/kubernetes/review_objects.h"

namespace closewatch {
namespace {

constexpr unsigned kCreated = 201;

constexpr const char* kTokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";
constexpr const char* kAccessReviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
// It has the token, which may be as long as a request's headers, and the names of its owner's
// groups.
constexpr std::uint64_t kMostOfAnswer = std::uint64_t{64} << 10U;
constexpr std::chrono::seconds kSilence{5};
// Of a name that a person is to read; no server bounds it.
constexpr std::size_t kLongestUser = 256;

/// What an answer that is no review means.
Error refusal(unsigned status, const std::string& body, const std::string& what) {
  auto message = parse_status_message(body);
  if (message.empty()) message = "no reason given";
  const auto told = what + " (" + std::to_string(status) + ": " + message + ")";
  constexpr unsigned kNoToken = 401;
  constexpr unsigned kNoRight = 403;
  switch (status) {
    case kNoToken:
      return {ErrorKind::kDenied,
              "the API server does not accept the service account's token for " + told};
    case kNoRight:
      return {ErrorKind::kDenied,
              "the API server denies " + told +
                  ": bind the ClusterRole system:auth-delegator to the service account, or turn "
                  "web.kubernetes-auth off"};
    default:
      return {ErrorKind::kSystem, "the API server does not answer " + told};
  }
}

/// One token and path, until both questions are answered.
class Review final : private http::Receiver {
 public:
  Review(ApiTransport& transport, std::span<const std::string> audiences, std::string token,
         std::string path, std::chrono::steady_clock::time_point until, AccessReviewer::Done done)
      : transport_(transport),
        audiences_(audiences),
        token_(std::move(token)),
        path_(std::move(path)),
        until_(until),
        done_(std::move(done)) {}
  Review(const Review&) = delete;
  Review& operator=(const Review&) = delete;
  ~Review() override { OPENSSL_cleanse(token_.data(), token_.size()); }

  void start() { ask(kTokenReviews, token_review(token_, audiences_)); }

 private:
  void ask(const char* target, std::string body) {
    head_ = {};
    body_.clear();
    transport_.ask({target, "application/json", kSilence, kMostOfAnswer, until_, std::move(body)},
                   *this);
  }

  void on_answer(const http::AnswerHead& head) override { head_ = head; }

  bool on_body(std::string_view piece) override {
    body_ += piece;
    return true;
  }

  void on_end(const Result<void>& result) override {
    const bool is_whole = head_.says_where_it_ends;
    const auto* const what = owner_ ? "a SubjectAccessReview" : "a TokenReview";
    if (!result) {
      return done_(fail(result.error().kind, std::string("asking the API server for ") + what +
                                                 ": " + result.error().what));
    }
    if (head_.status != http::kOk && head_.status != kCreated) {
      return done_(tl::unexpected(refusal(head_.status, body_, what)));
    }
    if (!is_whole) {
      return done_(fail(ErrorKind::kMalformed, std::string("the API server's answer to ") + what +
                                                   " does not say where it ends"));
    }
    if (owner_) return end_access();
    end_token();
  }

  void end_token() {
    auto owner = parse_token_review(body_, audiences_);
    if (!owner) return fail_with(owner.error());
    if (!*owner) return done_(AccessVerdict{AccessVerdict::Kind::kNobodys});
    owner_ = std::move(*owner);
    ask(kAccessReviews, access_review(*owner_, path_));
  }

  void end_access() {
    const auto allowed = parse_access_review(body_);
    if (!allowed) return fail_with(allowed.error());
    done_(AccessVerdict{*allowed ? AccessVerdict::Kind::kAllowed : AccessVerdict::Kind::kForbidden,
                        owner_->user.substr(0, kLongestUser)});
  }

  void fail_with(const Error& error) {
    done_(fail(error.kind, "the API server's answer is wrong: " + error.what));
  }

  ApiTransport& transport_;
  std::span<const std::string> audiences_;
  std::string token_;
  std::string path_;
  std::chrono::steady_clock::time_point until_;
  AccessReviewer::Done done_;

  http::AnswerHead head_;
  std::string body_;
  std::optional<TokenOwner> owner_;
};

class ApiReviewer final : public AccessReviewer {
 public:
  ApiReviewer(boost::asio::io_context& context, std::unique_ptr<ApiTransport> transport,
              std::vector<std::string> audiences)
      : context_(context), transport_(std::move(transport)), audiences_(std::move(audiences)) {}

  void review(std::string token, std::string path, std::chrono::steady_clock::time_point until,
              Done done) override {
    const auto place = reviews_.emplace(reviews_.end());
    // It ends within a call of its own: whoever calls it may still look at it.
    *place = std::make_unique<Review>(
        *transport_, audiences_, std::move(token), std::move(path), until,
        [this, place, done = std::move(done)](const Result<AccessVerdict>& verdict) {
          boost::asio::post(context_, [this, place, done, verdict] {
            reviews_.erase(place);
            done(verdict);
          });
        });
    (*place)->start();
  }

 private:
  boost::asio::io_context& context_;
  std::unique_ptr<ApiTransport> transport_;
  std::vector<std::string> audiences_;
  std::list<std::unique_ptr<Review>> reviews_;
};

}  // namespace

std::unique_ptr<AccessReviewer> make_access_reviewer(boost::asio::io_context& context,
                                                     std::unique_ptr<ApiTransport> transport,
                                                     std::vector<std::string> audiences) {
  return std::make_unique<ApiReviewer>(context, std::move(transport), std::move(audiences));
}

}  // namespace closewatch
