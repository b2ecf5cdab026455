// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/supervisor.h"

#include <sys/resource.h>

#include <csignal>

#include <fmt/format.h>

#include "closewatch/base/child_process.h"
#include "closewatch/base/exit_status.h"

namespace closewatch {
namespace {

/// Ends this process as a signal does. The first process of a container cannot be ended so: then
/// it returns what a shell calls that.
int die_of(int number) {
  constexpr int kOfShell = 128;
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);  // the child's core is the one that tells something
  (void)std::signal(number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  (void)std::raise(number);
  return kOfShell + number;
}

/// Whoever sends these wants it to end.
bool asks_to_end(int number) { return number == SIGTERM || number == SIGINT || number == SIGHUP; }

}  // namespace

int supervised(const std::function<int()>& program,
               const std::function<void(const std::string&)>& complain) {
  const auto end = run_in_child(program);
  if (!end) {
    complain(end.error().what);
    return kExitFailure;
  }
  if (!end->left.empty()) complain(end->left);
  if (end->signal == 0) return end->status;
  if (end->left.empty() && !asks_to_end(end->signal)) {
    complain(fmt::format("the process that scans was ended by signal {}, and all ends with it",
                         end->signal));
  }
  return die_of(end->signal);
}

}  // namespace closewatch
