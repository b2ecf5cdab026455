// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "closewatch/kubernetes/access_reviewer.h"
#include "web/failure_limit.h"
#include "web/fingerprints.h"
#include "web/verdict_cache.h"

namespace closewatch::web {

/// Whether the owner of a token may get a path, as the API server says. What it has said counts for
/// a minute where it lets in, 10 s where it does not, and is known by fingerprint: the token itself
/// is kept only while it is asked about. Who floods it with wrong ones keeps out nobody whose token
/// was let in before. Belongs to the thread of the reviewer.
class TokenCheck {
 public:
  enum class Outcome : std::uint8_t {
    kAllowed,
    kForbidden,  ///< `told` is the token's owner
    kNobodys,
    kTooOften,  ///< it was not looked at: this client has been wrong too often
    kBusy,      ///< it was not looked at: too many others are
    kNotKnown,  ///< the API server has not said; `told` is why, with the remedy
  };
  struct Answer {
    Outcome outcome{};
    std::string told{};
  };
  using Done = std::function<void(const Answer&)>;
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  /// `reviewer` must live until it is asked no more.
  explicit TokenCheck(AccessReviewer& reviewer, Now now = std::chrono::steady_clock::now)
      : reviewer_(reviewer), now_(std::move(now)) {}

  /// `client` is an address. `done` is called on this thread, at once or within 8 s.
  void check(std::string token, const std::string& path, const std::string& client, Done done);

 private:
  struct Asker {
    std::string client;
    Done done;
  };
  struct Job {
    Fingerprint token_print{};
    Fingerprint print{};  ///< of the token and the path
    std::string token{};
    std::string path;
    std::string client;  ///< or its network
    bool was_allowed = false;
    std::chrono::steady_clock::time_point since{};
  };

  [[nodiscard]] bool may_start(const Job& job) const;
  [[nodiscard]] bool has_room_for(const Job& job) const;
  void start(Job job);
  void start_waiting();
  void end(const Job& job, const Result<AccessVerdict>& verdict);
  void answer(const Fingerprint& print, const Answer& given, bool is_failure);

  AccessReviewer& reviewer_;
  Now now_;
  Fingerprints allowed_tokens_;
  FailureLimit failures_;
  VerdictCache allowed_{std::chrono::minutes(1)};
  VerdictCache refused_{std::chrono::seconds(10)};
  std::map<Fingerprint, std::vector<Asker>> askers_;  ///< of one and the same review
  std::deque<Job> waiting_;
  std::size_t under_way_ = 0;
  std::size_t strangers_under_way_ = 0;  ///< of these, whose token was never let in
};

}  // namespace closewatch::web
