// SPDX-License-Identifier: Apache-2.0
#include "web/token_check.h"

#include <algorithm>
#include <utility>

#include <openssl/crypto.h>

#include "closewatch/http/client_network.h"

namespace closewatch::web {
namespace {

// Reviews at a time. One is always left to whose token was let in before.
constexpr std::size_t kMostUnderWay = 4;
constexpr std::size_t kMostStrangers = 3;
// That wait for one to end; of strangers, and of each of their clients.
constexpr std::size_t kMostWaiting = 64;
constexpr std::ptrdiff_t kMostStrangersWaiting = 16;
constexpr std::ptrdiff_t kMostOfOneStranger = 2;
// Both together are less than the server gives a request.
constexpr std::chrono::seconds kLongestWait{4};
constexpr std::chrono::seconds kLongestReview{4};

TokenCheck::Answer answer_by(const AccessVerdict& verdict) {
  switch (verdict.kind) {
    case AccessVerdict::Kind::kAllowed:
      return {TokenCheck::Outcome::kAllowed, verdict.user};
    case AccessVerdict::Kind::kForbidden:
      return {TokenCheck::Outcome::kForbidden, verdict.user};
    case AccessVerdict::Kind::kNobodys:
      break;
  }
  return {TokenCheck::Outcome::kNobodys};
}

void wipe(std::string& token) { OPENSSL_cleanse(token.data(), token.size()); }

}  // namespace

void TokenCheck::check(std::string token, const std::string& path, const std::string& client,
                       Done done) {
  const auto now = now_();
  const auto token_print = allowed_tokens_.of({token});
  Job job{.token_print = token_print,
          .print = allowed_tokens_.of({token, path}),
          .path = path,
          .client = http::network_of(client),
          .was_allowed = allowed_tokens_.has(token_print),
          .since = now};
  job.token = std::move(token);
  const auto end_now = [&](const Answer& given) {
    wipe(job.token);
    done(given);
  };
  if (const auto* const known = allowed_.find(job.print, now)) return end_now(answer_by(*known));
  if (!job.was_allowed && !failures_.allows(client, now)) return end_now({Outcome::kTooOften});
  for (const auto& print : {job.token_print, job.print}) {
    if (const auto* const known = refused_.find(print, now)) return end_now(answer_by(*known));
  }
  if (const auto same = askers_.find(job.print); same != askers_.end()) {
    wipe(job.token);
    same->second.push_back({client, std::move(done)});
    return;
  }
  const bool starts = may_start(job);
  if (!starts && !has_room_for(job)) return end_now({Outcome::kBusy});
  askers_[job.print].push_back({client, std::move(done)});
  if (starts) return start(std::move(job));
  waiting_.push_back(std::move(job));
}

bool TokenCheck::may_start(const Job& job) const {
  return under_way_ < kMostUnderWay && (job.was_allowed || strangers_under_way_ < kMostStrangers);
}

bool TokenCheck::has_room_for(const Job& job) const {
  if (waiting_.size() >= kMostWaiting) return false;
  if (job.was_allowed) return true;
  const auto strangers = std::count_if(waiting_.begin(), waiting_.end(),
                                       [](const Job& other) { return !other.was_allowed; });
  const auto own = std::count_if(waiting_.begin(), waiting_.end(), [&](const Job& other) {
    return !other.was_allowed && other.client == job.client;
  });
  return strangers < kMostStrangersWaiting && own < kMostOfOneStranger;
}

void TokenCheck::start(Job job) {
  ++under_way_;
  if (!job.was_allowed) ++strangers_under_way_;
  auto token = std::exchange(job.token, {});
  auto path = job.path;
  reviewer_.review(
      std::move(token), std::move(path), now_() + kLongestReview,
      [this, job = std::move(job)](const Result<AccessVerdict>& verdict) { end(job, verdict); });
}

void TokenCheck::end(const Job& job, const Result<AccessVerdict>& verdict) {
  --under_way_;
  if (!job.was_allowed) --strangers_under_way_;
  if (!verdict) {
    answer(job.print, {Outcome::kNotKnown, verdict.error().what}, false);
  } else if (verdict->kind == AccessVerdict::Kind::kAllowed) {
    allowed_tokens_.add(job.token_print);
    allowed_.put(job.print, *verdict, now_());
    answer(job.print, answer_by(*verdict), false);
  } else {
    // A token that is nobody's is so for every path.
    const bool is_nobodys = verdict->kind == AccessVerdict::Kind::kNobodys;
    refused_.put(is_nobodys ? job.token_print : job.print, *verdict, now_());
    answer(job.print, answer_by(*verdict), true);
  }
  start_waiting();
}

void TokenCheck::answer(const Fingerprint& print, const Answer& given, bool is_failure) {
  const auto askers = askers_.extract(print);
  if (askers.empty()) return;
  for (const auto& [client, done] : askers.mapped()) {
    if (is_failure) failures_.add(client, now_());
    done(given);
  }
}

/// Called whenever a review ends, which one does within kLongestReview: nobody waits longer than
/// both.
void TokenCheck::start_waiting() {
  std::vector<Fingerprint> late;
  while (!waiting_.empty() && now_() - waiting_.front().since >= kLongestWait) {
    late.push_back(waiting_.front().print);
    wipe(waiting_.front().token);
    waiting_.pop_front();
  }
  // Whose token was let in before comes first.
  for (const bool was_allowed : {true, false}) {
    for (auto job = waiting_.begin(); job != waiting_.end();) {
      if (job->was_allowed != was_allowed || !may_start(*job)) {
        ++job;
        continue;
      }
      Job next = std::move(*job);
      job = waiting_.erase(job);
      start(std::move(next));
    }
  }
  for (const auto& print : late) answer(print, {Outcome::kBusy}, false);
}

}  // namespace closewatch::web
