// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "closewatch/web/web_facts.h"

namespace closewatch::web {

/// What was refused is told at once for the first time, and then once a minute for all since, each
/// reason for itself. Belongs to one thread.
class RefusalLog {
 public:
  explicit RefusalLog(std::function<void(const std::string&)> warn) : warn_(std::move(warn)) {}

  void add(Refusal refusal, const std::string& client, const std::string& why);

 private:
  struct Entry {
    std::uint64_t count = 0;
    std::optional<std::chrono::steady_clock::time_point> told_at{};
  };

  std::function<void(const std::string&)> warn_;
  std::map<Refusal, Entry> entries_;
};

}  // namespace closewatch::web
