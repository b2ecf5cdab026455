// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/supervisor.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

void ignore(const std::string& /*what*/) {}

TEST(SupervisorDeathTest, ReturnsWhatTheProgramReturned) {
  EXPECT_EXIT(std::_Exit(supervised([] { return 7; }, ignore)), ::testing::ExitedWithCode(7), "");
}

TEST(SupervisorDeathTest, DiesOfTheSameSignal) {
  for (const int number : {SIGKILL, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(std::_Exit(supervised([number] { return ::raise(number); }, ignore)),
                ::testing::KilledBySignal(number), "");
  }
}

TEST(SupervisorDeathTest, SaysWhichSignalHasEndedItUnlessThatWasAskedFor) {
  const auto say = [](const std::string& what) { (void)std::fputs(what.c_str(), stderr); };
  EXPECT_EXIT(std::_Exit(supervised([] { return ::raise(SIGKILL); }, say)),
              ::testing::KilledBySignal(SIGKILL), "ended by signal 9");
  EXPECT_EXIT(std::_Exit(supervised([] { return ::raise(SIGTERM); }, say)),
              ::testing::KilledBySignal(SIGTERM), "^$");
}

}  // namespace
}  // namespace closewatch
