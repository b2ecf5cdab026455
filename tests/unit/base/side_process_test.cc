// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/side_process.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <gmock/gmock.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;

TEST(SideProcess, TellsHowItHasEnded) {
  auto process = SideProcess::start([] { return 7; });
  ASSERT_TRUE(process);
  EXPECT_THAT(process->wait(10s), EndsWith("has ended with status 7"));
}

TEST(SideProcess, TellsWhichSignalHasEndedIt) {
  auto process = SideProcess::start([] { return ::raise(SIGKILL); });
  ASSERT_TRUE(process);
  EXPECT_THAT(process->wait(10s), EndsWith("was ended by signal 9"));
}

TEST(SideProcess, WhatItThrowsIsAFailure) {
  auto process = SideProcess::start([]() -> int { throw std::runtime_error("no memory"); });
  ASSERT_TRUE(process);
  EXPECT_THAT(process->wait(10s), EndsWith("has ended with status 1"));
}

TEST(SideProcess, WhatDoesNotEndIsKilled) {
  auto process = SideProcess::start([] { return ::pause(); });
  ASSERT_TRUE(process);
  const auto pid = process->pid();
  EXPECT_THAT(process->wait(1ms), HasSubstr("was killed"));
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(SideProcess, SignalsThatAskToEndAreNotForIt) {
  auto process = SideProcess::start([] {
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) (void)::raise(number);
    return 3;
  });
  ASSERT_TRUE(process);
  EXPECT_THAT(process->wait(10s), EndsWith("has ended with status 3"));
}

/// Whoever has the other end of the pipe has ended when it can be read to its end.
TEST(SideProcessDeathTest, EndsWithWhoeverHasStartedIt) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  EXPECT_EXIT(
      {
        const auto process = SideProcess::start([] { return ::pause(); });
        std::_Exit(process ? 5 : 6);
      },
      ExitedWithCode(5), "^$");
  ::close(pipe[1]);
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0);
  ::close(pipe[0]);
}

}  // namespace
}  // namespace closewatch
