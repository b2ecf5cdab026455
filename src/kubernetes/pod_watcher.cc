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
constexpr std::size_t kMaxBody = std::size_t{64} << 20U;  // 250 pods of the largest size etcd takes
constexpr std::size_t kMaxLine = std::size_t{4} << 20U;
constexpr std::size_t kMaxRefusal = std::size_t{64} << 10U;
constexpr std::chrono::seconds kListSilence{30};
// How long the server may keep a watch; as in client-go, so that servers see nothing unusual.
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
      backoff_(settings_.first_retry, settings_.slowest_retry, settings_.seed),
      lines_(kMaxLine) {}

void PodWatcher::list() {
  doing_ = Doing::kList;
  listed_.clear();
  next_page_.clear();
  request_page();
}

void PodWatcher::request_page() {
  answer_ = {};
  body_.clear();
  auto target = "/api/v1/pods?fieldSelector=" + encoded("spec.nodeName=" + settings_.node) +
                "&limit=" + std::to_string(kPageLimit);
  if (!next_page_.empty()) {
    target += "&continue=" + encoded(next_page_);
  } else if (!must_be_fresh_) {
    target += "&resourceVersion=0";  // out of the server's memory: etcd is not asked
  }
  transport_.get({std::move(target), kAcceptList, kListSilence}, *this);
}

void PodWatcher::watch() {
  doing_ = Doing::kWatch;
  answer_ = {};
  body_.clear();
  lines_.clear();
  trouble_ = {};
  transport_.get({"/api/v1/pods?watch=1&allowWatchBookmarks=true&fieldSelector=" +
                      encoded("spec.nodeName=" + settings_.node) +
                      "&resourceVersion=" + encoded(resource_version_) +
                      "&timeoutSeconds=" + std::to_string(kWatchLasts.count()),
                  kAcceptWatch, kWatchLasts + kWatchSlack},
                 *this);
}

void PodWatcher::on_answer(const http::AnswerHead& answer) {
  answer_ = answer;
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
  if (doing_ == Doing::kWatch && answer_.status == kOk) {
    trouble_ = lines_.feed(piece, [this](std::string_view line) -> Result<void> {
      return parse_watch_event(line).and_then(
          [this](const WatchEvent& event) { return take(event); });
    });
    return trouble_.has_value();
  }
  body_ += piece;
  return body_.size() <= (answer_.status == kOk ? kMaxBody : kMaxRefusal);
}

Result<void> PodWatcher::take(const WatchEvent& event) {
  switch (event.kind) {
    case WatchEvent::Kind::kPut:
      directory_.put(event.pod);
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
  if (body_.size() > kMaxBody) {
    return retry({ErrorKind::kMalformed, "a list of more than 64 MiB"});
  }
  auto page = parse_pod_page(body_);
  if (!page) return retry(page.error());
  std::move(page->pods.begin(), page->pods.end(), std::back_inserter(listed_));
  next_page_ = std::move(page->next);
  if (!next_page_.empty()) return request_page();
  resource_version_ = std::move(page->resource_version);
  directory_.replace(std::exchange(listed_, {}));
  directory_.set_state({});
  must_be_fresh_ = false;
  body_ = {};
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
    return retry(trouble_.error());
  }
  if (!result && answer_.status != kOk) return retry(result.error());
  // Over, or cut, after it had begun: it goes on where it was. Not at once, as a server or a
  // balancer that cuts each watch would be asked without end.
  again(backoff_.after_failure());
}

Error PodWatcher::refusal() const {
  const auto status = std::to_string(answer_.status);
  auto message = parse_status_message(body_);
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
  directory_.set_state(tl::unexpected(std::move(why)));
  const auto wait = backoff_.after_failure();
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
