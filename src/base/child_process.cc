// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/child_process.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <optional>

#include <fmt/format.h>

#include "base/run_program.h"
#include "closewatch/base/exit_status.h"
#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using std::chrono::steady_clock;

/// How long a process may take to end of which nothing waits in the kernel any more: the kernel has
/// its memory to give back, and a sanitizer takes a second to look around.
constexpr std::chrono::seconds kLastMoment{2};

/// What a child tells that has threads left, as the value of a signal.
struct Leaving {
  int status;   ///< what the program has returned
  int threads;  ///< how many are left
};

int leaving_signal() { return SIGRTMIN; }

constexpr int kStatusBits = 8;
constexpr int kStatusMask = (1 << kStatusBits) - 1;  // exit(3) keeps no more of it

sigval to_value(const Leaving& leaving) {
  return {.sival_int = (leaving.threads << kStatusBits) | (leaving.status & kStatusMask)};
}

Leaving from_value(sigval value) {
  return {value.sival_int & kStatusMask, value.sival_int >> kStatusBits};
}

sigset_t signals(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

/// Only waiting needs none.
void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  // What refuses it (a seccomp profile) leaves a process that does nothing with them.
  (void)::syscall(SYS_capset, &header, none.data());
}

/// Those of this process beside the calling one.
int count_other_threads() {
  auto threads = Directory::open(kWorkingDirectory, "/proc/self/task");
  if (!threads) return 0;
  int count = -1;
  DirectoryEntry entry{};
  for (auto more = threads->next(entry); more && *more; more = threads->next(entry)) ++count;
  return count;
}

/// Closes what threads that wait in the kernel would hold for as long: standard output and error,
/// on whose end others wait; sockets; namespaces. Whether one waits so that SIGKILL does not end it
/// cannot be seen: a wait for FUSE becomes such when the signal comes (request_wait_answer() in
/// fs/fuse/dev.c). Whoever waits for this process is told before, as closing a file of a dead file
/// system may wait as well.
void leave_behind(pid_t parent, const Leaving& leaving) {
  ::sigqueue(parent, leaving_signal(), to_value(leaving));
  (void)::syscall(SYS_close_range, 0U, ~0U, 0U);  // of Linux 5.9
}

[[noreturn]] void be_child(pid_t parent, int when_parent_dies,
                           const std::function<int()>& program) {
  ::prctl(PR_SET_PDEATHSIG, when_parent_dies);
  const int status = ::getppid() == parent ? run_program(program) : kExitFailure;
  (void)std::fflush(nullptr);
  const Leaving leaving{status, count_other_threads()};
  if (leaving.threads > 0) leave_behind(parent, leaving);
  std::exit(status);
}

class Wait {
 public:
  Wait(pid_t child, std::chrono::nanoseconds patience, const sigset_t& awaited)
      : child_(child), patience_(patience), awaited_(awaited) {}

  ChildEnd end() {
    while (true) {
      if (const auto ended = reap()) return *ended;
      siginfo_t told{};
      const auto number = next_signal(told);
      if (!number) return give_up();
      take(*number, told);
    }
  }

 private:
  /// As the first process of a container one inherits the orphans.
  [[nodiscard]] std::optional<ChildEnd> reap() const {
    while (true) {
      int status = 0;
      const auto pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return std::nullopt;
      if (pid != child_) continue;
      if (WIFSIGNALED(status)) return ChildEnd{0, WTERMSIG(status), {}};
      return ChildEnd{WEXITSTATUS(status), 0, {}};
    }
  }

  /// nullopt when the child has had its time.
  [[nodiscard]] std::optional<int> next_signal(siginfo_t& told) const {
    while (true) {
      timespec left{};
      if (until_) {
        const auto time = std::max<std::chrono::nanoseconds>(*until_ - steady_clock::now(), {});
        const auto whole = std::chrono::duration_cast<std::chrono::seconds>(time);
        left = {whole.count(), (time - whole).count()};
      }
      const int number = ::sigtimedwait(&awaited_, &told, until_ ? &left : nullptr);
      if (number > 0) return number;
      if (errno == EAGAIN) return std::nullopt;
    }
  }

  void take(int number, const siginfo_t& told) {
    if (number == SIGCHLD) return;
    if (number == leaving_signal()) {
      if (told.si_code != SI_QUEUE || told.si_pid != child_) return;
      leaving_ = from_value(told.si_value);
      end_within(kLastMoment);
      return;
    }
    ::kill(child_, number);
    end_within(patience_);
  }

  void end_within(std::chrono::nanoseconds time) {
    const auto end = steady_clock::now() + time;
    until_ = until_ ? std::min(*until_, end) : end;
  }

  [[nodiscard]] ChildEnd give_up() const {
    ::kill(child_, SIGKILL);
    if (!leaving_) {
      return {0, SIGKILL,
              fmt::format("process {} has not ended within {} s and is killed; what of it waits in "
                          "the kernel ends with that wait",
                          child_, std::chrono::duration<double>(patience_).count())};
    }
    return {
        leaving_->status, 0,
        fmt::format("process {} cannot be ended and is left behind, with its descriptors closed: "
                    "{} thread(s) of it wait in the kernel for a dead file system, or for a lock "
                    "whose holder waits for one; the kernel ends it once that is over",
                    child_, leaving_->threads)};
  }

  pid_t child_;
  std::chrono::nanoseconds patience_;
  const sigset_t& awaited_;
  std::optional<steady_clock::time_point> until_;
  std::optional<Leaving> leaving_;
};

}  // namespace

Result<ChildEnd> run_in_child(const std::function<int()>& program, const ChildCare& care) {
  (void)std::fflush(nullptr);  // or both would write what is not written yet
  const auto awaited = signals({SIGCHLD, SIGTERM, SIGINT, SIGHUP, leaving_signal()});
  sigset_t before;
  sigprocmask(SIG_BLOCK, &awaited, &before);
  // A parent may have handed down that SIGCHLD is ignored: then it never comes, and nobody is left
  // to wait for (waitpid(2)).
  (void)std::signal(SIGCHLD, SIG_DFL);
  const auto parent = ::getpid();
  const auto child = ::fork();
  if (child < 0) return fail_errno(errno, "fork");
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    be_child(parent, care.when_parent_dies, program);
  }
  drop_capabilities();
  return Wait(child, care.patience, awaited).end();
}

}  // namespace closewatch
