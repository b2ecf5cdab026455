// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <utility>

namespace closewatch {

/// Owns one file descriptor; closes it when it goes. Movable, not copyable.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, kNone)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, kNone);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ != kNone; }
  /// Hands the descriptor to an owner of another kind.
  [[nodiscard]] int release() { return std::exchange(fd_, kNone); }

 private:
  static constexpr int kNone = -1;

  void reset() {
    // close(2): on Linux the descriptor is gone whatever it returns, so there is nothing to retry.
    if (fd_ != kNone) ::close(std::exchange(fd_, kNone));
  }

  int fd_ = kNone;
};

}  // namespace closewatch
