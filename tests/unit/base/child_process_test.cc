// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/child_process.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::ExitedWithCode;

constexpr int kBySignal = 100;

/// Ends this process, which is one of a test's own, and tells by its status how the child ended.
[[noreturn]] void end_as_child(const std::function<int()>& program, const ChildCare& care = {}) {
  const auto end = run_in_child(program, care);
  if (!end) std::_Exit(kBySignal);
  (void)std::fputs(end->left.c_str(), stderr);
  std::_Exit(end->signal == 0 ? end->status : kBySignal + end->signal);
}

sigset_t only(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  return set;
}

void block(int number) {
  const auto set = only(number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
}

int wait_for_signal(int number) {
  const auto set = only(number);
  int got = 0;
  ::sigwait(&set, &got);
  return got;
}

TEST(ChildProcessDeathTest, TellsWhatTheProgramReturned) {
  EXPECT_EXIT(end_as_child([] { return 7; }), ExitedWithCode(7), "^$");
}

TEST(ChildProcessDeathTest, TellsTheSignalThatEndedIt) {
  EXPECT_EXIT(end_as_child([] { return ::raise(SIGKILL); }), ExitedWithCode(kBySignal + SIGKILL),
              "^$");
}

TEST(ChildProcessDeathTest, SaysWhatTheProgramThrew) {
  EXPECT_EXIT(end_as_child([]() -> int { throw std::runtime_error("no memory"); }),
              ExitedWithCode(1), "closewatch: no memory");
}

TEST(ChildProcessDeathTest, PassesOnTheSignalsThatEnd) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    EXPECT_EXIT(end_as_child([number] {
                  block(number);
                  ::kill(::getppid(), number);
                  return wait_for_signal(number);
                }),
                ExitedWithCode(number), "^$");
  }
}

TEST(ChildProcessDeathTest, KillsWhatDoesNotEndInTime) {
  EXPECT_EXIT(end_as_child(
                  [] {
                    block(SIGTERM);
                    ::kill(::getppid(), SIGTERM);
                    return ::pause();
                  },
                  {.patience = 1ms}),
              ExitedWithCode(kBySignal + SIGKILL), "has not ended within 0.001 s and is killed");
}

TEST(ChildProcessDeathTest, WaitsForEverWhileNobodyAsksForTheEnd) {
  EXPECT_EXIT(end_as_child(
                  [] {
                    std::this_thread::sleep_for(10ms);
                    return 7;
                  },
                  {.patience = 0ms}),
              ExitedWithCode(7), "^$");
}

TEST(ChildProcessDeathTest, LeavesNoThreadBehindThatTheKernelEnds) {
  EXPECT_EXIT(end_as_child([] {
                std::thread([] { ::pause(); }).detach();
                return 7;
              }),
              ExitedWithCode(7), "^$");
}

TEST(ChildProcessDeathTest, WaitsThoughSigchldWasIgnored) {
  EXPECT_EXIT(
      {
        (void)std::signal(SIGCHLD, SIG_IGN);
        end_as_child([] { return 7; });
      },
      ExitedWithCode(7), "^$");
}

TEST(ChildProcessDeathTest, ReapsWhatElseIsAChild) {
  EXPECT_EXIT(
      {
        const auto other = ::fork();
        if (other == 0) std::_Exit(0);
        end_as_child([other] {
          while (::kill(other, 0) == 0) std::this_thread::yield();
          return 7;
        });
      },
      ExitedWithCode(7), "^$");
}

}  // namespace
}  // namespace closewatch
