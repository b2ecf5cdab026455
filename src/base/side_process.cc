// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/side_process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "base/run_program.h"
#include "closewatch/base/exit_status.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {
namespace {

[[noreturn]] void be_side_process(pid_t parent, const std::function<int()>& program) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t ending;
  sigemptyset(&ending);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ending, number);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  const int status = ::getppid() == parent ? run_program(program) : kExitFailure;
  (void)std::fflush(nullptr);
  // Not std::exit(): what is registered there is of the process that this one was forked from.
  std::_Exit(status);
}

/// False when it has not within `patience`. pidfd_open is of Linux 5.3.
bool ends_within(pid_t pid, std::chrono::milliseconds patience) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  return ::poll(&ended, 1, static_cast<int>(patience.count())) > 0;
}

}  // namespace

Result<SideProcess> SideProcess::start(const std::function<int()>& program) {
  (void)std::fflush(nullptr);  // or both would write what is not written yet
  const auto parent = ::getpid();
  const auto child = ::fork();
  if (child < 0) return fail_errno(errno, "fork");
  if (child == 0) be_side_process(parent, program);
  return SideProcess(child);
}

SideProcess::~SideProcess() {
  if (pid_ != 0) (void)wait({});
}

std::string SideProcess::wait(std::chrono::milliseconds patience) {
  const auto pid = std::exchange(pid_, 0);
  const bool ended = ends_within(pid, patience);
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return fmt::format("process {} did not end and was killed", pid);
  if (WIFSIGNALED(status)) {
    return fmt::format("process {} was ended by signal {}", pid, WTERMSIG(status));
  }
  return fmt::format("process {} has ended with status {}", pid, WEXITSTATUS(status));
}

}  // namespace closewatch
