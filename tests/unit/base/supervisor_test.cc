#include "closewatch/base/supervisor.h"

#include <csignal>
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

}  // namespace
}  // namespace closewatch
