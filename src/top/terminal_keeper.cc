#include "closewatch/top/terminal_keeper.h"

#include <curses.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>

#include <fmt/format.h>

#include "closewatch/base/exit_status.h"

namespace closewatch {
namespace {

sigset_t signals(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

/// Writes what ends a full screen.
void leave_full_screen() {
  int status = 0;
  if (::setupterm(nullptr, STDOUT_FILENO, &status) != OK) return;
  for (const auto* const capability : {"rmcup", "cnorm", "sgr0", "rmkx"}) {
    const char* const sequence = ::tigetstr(capability);
    // NOLINTNEXTLINE: (char*)-1 stands for "no string", in terminfo's own words
    if (sequence != nullptr && sequence != reinterpret_cast<char*>(-1)) ::putp(sequence);
  }
  (void)std::fflush(stdout);
}

/// Does not return.
void be_child(pid_t parent, const std::function<int()>& program) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // Tidying up when the parent has been killed: the shell has the terminal back by then, and a
  // process of the background would be stopped for touching it.
  const auto touching = signals({SIGTTIN, SIGTTOU});
  sigprocmask(SIG_BLOCK, &touching, nullptr);
  int status = kExitFailure;
  try {
    if (::getppid() == parent) status = program();
  } catch (const std::exception& error) {
    fmt::print(stderr, "closewatch: {}\n", error.what());
  }
  (void)std::fflush(nullptr);
  ::_exit(status);
}

/// The child's status as waitpid() gives it, once it has ended. The signals are blocked.
int wait_for(pid_t child, const sigset_t& awaited) {
  for (;;) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return status;
    const int number = ::sigwaitinfo(&awaited, nullptr);
    if (number > 0 && number != SIGCHLD) ::kill(child, number);
  }
}

}  // namespace

int with_terminal_kept(const std::function<int()>& program) {
  termios before{};
  const bool has_modes = ::tcgetattr(STDIN_FILENO, &before) == 0;
  const auto awaited = signals({SIGCHLD, SIGTERM, SIGINT, SIGHUP});
  sigprocmask(SIG_BLOCK, &awaited, nullptr);
  // A parent may have handed down that SIGCHLD is ignored: then it never comes, and nobody is left
  // to wait for (waitpid(2)).
  (void)std::signal(SIGCHLD, SIG_DFL);
  const auto parent = ::getpid();
  const auto child = ::fork();
  if (child < 0) {
    fmt::print(stderr, "closewatch: fork: {}\n", std::strerror(errno));
    return kExitFailure;
  }
  if (child == 0) be_child(parent, program);

  const int status = wait_for(child, awaited);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  leave_full_screen();
  if (has_modes) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
  fmt::print(stderr, "closewatch: signal {} ended the display; the terminal is as it was\n",
             WTERMSIG(status));
  return kExitFailure;
}

}  // namespace closewatch
