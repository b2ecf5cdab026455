// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_watcher.h"

#include <algorithm>
#include <utility>

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

namespace closewatch {
namespace {

constexpr unsigned kOk = 200;
constexpr unsigned kUnauthorised = 401;
constexpr unsigned kForbidden = 403;
constexpr unsigned kGone = 410;

// Metadata only; whole Pods from a server that cannot. A list's form is no watch's: asked for it, a
// server ends the watch at the first event without a word.
constexpr const char* kAcceptList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
constexpr const char* kAcceptWatch =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
// For lists that etcd must answer; out of its memory the server gives all at once.
constexpr std::size_t kPageLimit = 500;
constexpr std::size_t kMostPages = 100;
// Of a list with all its pages, and of a watch. None of it is kept: it is what may be read for
// nothing. 250 pods of the largest size that etcd takes come to less.
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20U;
constexpr std::size_t kMaxRefusal = std::size_t{64} << 10U;
constexpr std::chrono::minutes kListLasts{2};
constexpr std::chrono::seconds kListSilence{30};
// How long the server may keep a watch; as in client-go, so that servers see nothing unusual. Who
// keeps it longer is left: one that sends blanks for ever would tell of no pod any more.
constexpr std::chrono::seconds kWatchLasts{300};
constexpr std::chrono::seconds kWatchSlack{30};

std::string encoded(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

}  // namespace

PodWatcher::PodWatcher(boost::asio::io_context& context, ApiTransport& transport,
                       PodDirectory& directory, Settings settings)
    : timer_(context),
      transport_(transport),
      directory_(directory),
      settings_(std::move(settings)),
      backoff_(settings_.first_retry, settings_.slowest_retry, settings_.seed) {}

void PodWatcher::list() {
  doing_ = Doing::kList;
  listed_ = {};
  next_page_.clear();
  pages_left_ = kMostPages;
  list_bytes_left_ = kMostBytes;
  list_until_ = std::chrono::steady_clock::now() + kListLasts;
  request_page();
}

void PodWatcher::request_page() {
  answer_ = {};
  refusal_ = {};
  trouble_ = {};
  page_ = PodPageReader(kMostPods - listed_.size());
  --pages_left_;
  auto target = "/api/v1/pods?fieldSelector=" + encoded("spec.nodeName=" + settings_.node) +
                "&limit=" + std::to_string(kPageLimit);
  if (!next_page_.empty()) {
    target += "&continue=" + encoded(next_page_);
  } else if (!must_be_fresh_) {
    target += "&resourceVersion=0";  // out of the server's memory: etcd is not asked
  }
  transport_.ask({std::move(target), kAcceptList, kListSilence, list_bytes_left_, list_until_},
                 *this);
}

void PodWatcher::watch() {
  doing_ = Doing::kWatch;
  answer_ = {};
  refusal_ = {};
  events_ = {};
  trouble_ = {};
  transport_.ask({"/api/v1/pods?watch=1&allowWatchBookmarks=true&fieldSelector=" +
                      encoded("spec.nodeName=" + settings_.node) +
                      "&resourceVersion=" + encoded(resource_version_) +
                      "&timeoutSeconds=" + std::to_string(kWatchLasts.count()),
                  kAcceptWatch, kWatchLasts + kWatchSlack, kMostBytes,
                  std::chrono::steady_clock::now() + kWatchLasts + kWatchSlack},
                 *this);
}

void PodWatcher::on_answer(const http::AnswerHead& answer) {
  answer_ = answer;
  server_names_ = answer.server_names;
  if (doing_ == Doing::kWatch && answer.status == kOk) begin_watch();
}

/// A watch that brings a good event, or lasts, shows that all is well: after it tries begin anew at
/// their shortest. A list alone does not, or a server that takes lists and refuses watches would be
/// asked for a list at each. A 200 shows it only if the last watch did not send what is no event.
void PodWatcher::begin_watch() {
  if (trusts_watches_) directory_.set_state({});
  timer_.expires_after(settings_.proof);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && trouble_) prove_watch();
  });
}

void PodWatcher::prove_watch() {
  if (!std::exchange(trusts_watches_, true)) directory_.set_state({});
  backoff_.after_success();
}

bool PodWatcher::on_body(std::string_view piece) {
  if (answer_.status != kOk) {
    refusal_ += piece;
    return refusal_.size() <= kMaxRefusal;
  }
  if (doing_ == Doing::kWatch) {
    trouble_ = events_.feed(piece, [this](const WatchEvent& event) { return take(event); });
  } else {
    list_bytes_left_ -= std::min<std::uint64_t>(piece.size(), list_bytes_left_);
    trouble_ = page_.feed(piece);
  }
  return trouble_.has_value();
}

Result<void> PodWatcher::take(const WatchEvent& event) {
  switch (event.kind) {
    case WatchEvent::Kind::kPut:
      if (auto put = directory_.put(event.pod); !put) return put;
      break;
    case WatchEvent::Kind::kDeleted:
      directory_.erase(event.pod);
      break;
    case WatchEvent::Kind::kBookmark:
      break;
    case WatchEvent::Kind::kGone:
      answer_.status = kGone;
      return fail(ErrorKind::kGone, event.message);
    case WatchEvent::Kind::kError:
      return fail(ErrorKind::kSystem, "it ended the watch: " + event.message);
  }
  resource_version_ = event.resource_version;
  prove_watch();
  return {};
}

void PodWatcher::on_end(const Result<void>& result) {
  if (doing_ == Doing::kList) {
    end_list(result);
  } else {
    end_watch(result);
  }
}

void PodWatcher::end_list(const Result<void>& result) {
  if (!result) return retry(result.error());
  if (answer_.status != kOk) {
    must_be_fresh_ |= answer_.status == kGone;  // the continue token is too old
    return retry(refusal());
  }
  if (!trouble_) return retry(trouble_.error());
  auto page = std::move(page_).page();
  if (!page) return retry(page.error());
  std::move(page->pods.begin(), page->pods.end(), std::back_inserter(listed_));
  next_page_ = std::move(page->next);
  if (!next_page_.empty() && pages_left_ > 0) return request_page();
  if (!next_page_.empty()) {
    return retry(
        {ErrorKind::kOverLimit, "a list of more than " + std::to_string(kMostPages) + " pages"});
  }
  resource_version_ = std::move(page->resource_version);
  directory_.replace(std::exchange(listed_, {}));
  directory_.set_state({});
  must_be_fresh_ = false;
  watch();
}

void PodWatcher::end_watch(const Result<void>& result) {
  if (answer_.status == kGone) {
    must_be_fresh_ = true;
    resource_version_.clear();
    return again(backoff_.after_failure());  // nothing is wrong with the server: it may forget
  }
  if (answer_.status != 0 && answer_.status != kOk) return retry(refusal());
  if (!trouble_) {
    trusts_watches_ = false;
    // It knows of more pods than there can be: a list will tell which there are.
    if (trouble_.error().kind == ErrorKind::kOverLimit) resource_version_.clear();
    return retry(trouble_.error());
  }
  const bool is_cut = !result && result.error().kind == ErrorKind::kSystem;
  if (!result && (answer_.status != kOk || !is_cut)) return retry(result.error());
  // Over, or cut, after it had begun: it goes on where it was. Not at once, as a server or a
  // balancer that cuts each watch would be asked without end.
  again(backoff_.after_failure());
}

Error PodWatcher::refusal() const {
  const auto status = std::to_string(answer_.status);
  auto message = parse_status_message(refusal_);
  if (message.empty()) message = "no reason given";
  switch (answer_.status) {
    case kUnauthorised:
      return {ErrorKind::kDenied, "it does not accept the service account's token (401: " +
                                      message + "); the token is read anew at each try"};
    case kForbidden:
      return {ErrorKind::kDenied,
              "it denies this (403: " + message +
                  "): bind a ClusterRole with get, list and watch of pods to the service account, "
                  "or set metadata.source to logs"};
    default:
      return {ErrorKind::kSystem, "it answers " + status + " (" + message + ")"};
  }
}

void PodWatcher::retry(Error why) {
  // Good events between two floods do not make the next one welcome.
  auto wait = backoff_.after_failure();
  if (why.kind == ErrorKind::kOverLimit) wait = std::max(wait, settings_.slowest_retry);
  directory_.set_state(tl::unexpected(std::move(why)));
  again(std::max(wait,
                 std::chrono::milliseconds(answer_.retry_after.value_or(std::chrono::seconds(0)))));
}

void PodWatcher::again(std::chrono::milliseconds wait) {
  timer_.expires_after(wait);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (resource_version_.empty() || doing_ == Doing::kList) {
      list();
    } else {
      watch();
    }
  });
}

}  // namespace closewatch
