// SPDX-License-Identifier: Apache-2.0
#include "tests/support/socket_holder.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <utility>

namespace closewatch::testing {

SocketHolder::SocketHolder(const NetworkNamespace& space,
                           const std::function<std::vector<UniqueFd>()>& make)
    : SocketHolder([&] {
        if (::setns(space.open().get(), CLONE_NEWNET) != 0) throw std::runtime_error("setns");
        return make();
      }) {}

SocketHolder::SocketHolder(const std::function<std::vector<UniqueFd>()>& make) {
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      const auto sockets = make();
      const char byte = 0;
      if (::write(ready[1], &byte, 1) == 1) ::pause();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(1);
  }
  ::close(ready[1]);
  ready_ = UniqueFd(ready[0]);
}

SocketHolder::SocketHolder(SocketHolder&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), ready_(std::move(other.ready_)) {}

SocketHolder::~SocketHolder() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void SocketHolder::wait_until_ready() const {
  char byte = 0;
  if (::read(ready_.get(), &byte, 1) != 1) throw std::runtime_error("a socket holder failed");
}

}  // namespace closewatch::testing
