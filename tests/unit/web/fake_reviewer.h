// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <utility>

#include "closewatch/kubernetes/access_reviewer.h"

namespace closewatch {

/// Keeps what it is asked until it is told what to say.
class FakeReviewer final : public AccessReviewer {
 public:
  struct Asked {
    std::string token;
    std::string path;
    std::chrono::steady_clock::time_point until;
    Done done;
  };

  void review(std::string token, std::string path, std::chrono::steady_clock::time_point until,
              Done done) override {
    asked.push_back({std::move(token), std::move(path), until, std::move(done)});
    ++count;
  }

  /// Says it of what it was asked first.
  void say(const Result<AccessVerdict>& verdict) {
    const auto first = std::move(asked.front());
    asked.pop_front();
    first.done(verdict);
  }
  void say(AccessVerdict::Kind kind, const std::string& user = "") {
    say(AccessVerdict{kind, user});
  }

  std::deque<Asked> asked;  ///< and not answered
  std::size_t count = 0;    ///< of all
};

}  // namespace closewatch
