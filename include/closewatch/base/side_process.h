// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "closewatch/base/result.h"

namespace closewatch {

/// A child process that runs beside this one. It ends with it: by SIGKILL, whatever ends this one.
class SideProcess {
 public:
  /// Runs `program` there, which ends with what it returns and leaves all that would be done at
  /// the end to the kernel. Signals that ask to end are not for it: it is told in another way.
  /// There must be one thread. Errors: kSystem.
  static Result<SideProcess> start(const std::function<int()>& program);

  SideProcess(SideProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  SideProcess& operator=(SideProcess&&) = delete;
  SideProcess(const SideProcess&) = delete;
  SideProcess& operator=(const SideProcess&) = delete;
  /// Kills it, unless it was waited for.
  ~SideProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// How it ended, as a sentence, or that it had to be killed as it did not within `patience`.
  std::string wait(std::chrono::milliseconds patience);

 private:
  explicit SideProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;  ///< 0: none any more
};

}  // namespace closewatch
