// SPDX-License-Identifier: Apache-2.0
#include "closewatch/top/terminal_keeper.h"

#include <curses.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <initializer_list>

#include <fmt/format.h>

#include "closewatch/base/child_process.h"
#include "closewatch/base/exit_status.h"

namespace closewatch {
namespace {

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

/// Tidying up when the parent has been killed: the shell has the terminal back by then, and a
/// process of the background would be stopped for touching it.
void may_touch_from_background() {
  sigset_t touching;
  sigemptyset(&touching);
  for (const int number : {SIGTTIN, SIGTTOU}) sigaddset(&touching, number);
  sigprocmask(SIG_BLOCK, &touching, nullptr);
}

}  // namespace

int with_terminal_kept(const std::function<int()>& program) {
  termios before{};
  const bool has_modes = ::tcgetattr(STDIN_FILENO, &before) == 0;
  const auto end = run_in_child(
      [&] {
        may_touch_from_background();
        return program();
      },
      {.when_parent_dies = SIGTERM});
  if (!end) {
    fmt::print(stderr, "closewatch: {}\n", end.error().what);
    return kExitFailure;
  }
  if (!end->left.empty()) fmt::print(stderr, "closewatch: {}\n", end->left);
  if (end->signal == 0) return end->status;
  leave_full_screen();
  if (has_modes) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
  fmt::print(stderr, "closewatch: signal {} ended the display; the terminal is as it was\n",
             end->signal);
  return kExitFailure;
}

}  // namespace closewatch
