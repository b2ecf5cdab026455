// SPDX-License-Identifier: Apache-2.0
#include "closewatch/confinement/confinement.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

constexpr int kHolds = 0;
constexpr int kDoesNot = 1;
constexpr int kNoLandlock = 2;

/// Ends this process, one of a test's own: confined, whether `holds`.
[[noreturn]] void end_confined(const Confines& confines, const std::function<bool()>& holds,
                               bool by_landlock = false) {
  const auto confinement = confine(confines);
  if (!confinement.capabilities || !confinement.system_calls) std::_Exit(kDoesNot);
  if (by_landlock && !confinement.files) std::_Exit(kNoLandlock);
  std::_Exit(holds() ? kHolds : kDoesNot);
}

bool may(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == kHolds; }
bool may_where_landlock_is(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) != kDoesNot;
}

bool is_refused(long result) { return result < 0 && (errno == EPERM || errno == EACCES); }

class ConfinementDeathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "confinement-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    std::ofstream(directory_ + "/file") << "text";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] static int open(const std::string& path, int flags) {
    return ::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR);
  }

  std::string directory_;
};

TEST_F(ConfinementDeathTest, LeavesWhatIsReadable) {
  EXPECT_EXIT(end_confined({.readable = {directory_}},
                           [&] { return open(directory_ + "/file", O_RDONLY) >= 0; }),
              may, "^$");
}

TEST_F(ConfinementDeathTest, WhatIsNotThereIsNoMistake) {
  EXPECT_EXIT(end_confined({.readable = {directory_ + "/none", directory_ + "/file/none"}},
                           [] { return true; }),
              may, "^$");
}

TEST_F(ConfinementDeathTest, RefusesAllElse) {
  EXPECT_EXIT(end_confined(
                  {.readable = {directory_}},
                  [&] { return is_refused(open("/etc/passwd", O_RDONLY)); }, true),
              may_where_landlock_is, "^$");
}

TEST_F(ConfinementDeathTest, RefusesToWriteEvenThere) {
  EXPECT_EXIT(end_confined({.readable = {directory_}},
                           [&] {
                             return is_refused(open(directory_ + "/file", O_WRONLY)) &&
                                    is_refused(open(directory_ + "/file", O_RDWR)) &&
                                    is_refused(open(directory_ + "/file", O_RDONLY | O_TRUNC)) &&
                                    is_refused(open(directory_ + "/new", O_RDONLY | O_CREAT)) &&
                                    is_refused(::unlink((directory_ + "/file").c_str()));
                           }),
              may, "^$");
}

TEST_F(ConfinementDeathTest, LeavesThreadsAndMemory) {
  EXPECT_EXIT(end_confined({},
                           [] {
                             bool ran = false;
                             std::thread([&ran] { ran = true; }).join();
                             return ran && std::string(10 << 20, 'x').size() > 1;
                           }),
              may, "^$");
}

TEST_F(ConfinementDeathTest, RefusesProcessesProgramsAndSignals) {
  EXPECT_EXIT(end_confined({},
                           [] {
                             constexpr int kAll = PROT_READ | PROT_WRITE | PROT_EXEC;
                             return is_refused(::fork()) &&
                                    is_refused(::execl("/bin/true", "true", nullptr)) &&
                                    is_refused(::kill(::getppid(), 0)) &&
                                    is_refused(::mprotect(nullptr, 0, kAll));
                           }),
              may, "^$");
}

TEST_F(ConfinementDeathTest, RefusesSocketsUnlessItAsks) {
  EXPECT_EXIT(end_confined({}, [] { return is_refused(::socket(AF_INET, SOCK_STREAM, 0)); }), may,
              "^$");
  EXPECT_EXIT(end_confined({.asks_at_port = 443},
                           [] {
                             return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 &&
                                    ::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0) >= 0 &&
                                    is_refused(::socket(AF_INET, SOCK_RAW, IPPROTO_TCP)) &&
                                    is_refused(::socket(AF_NETLINK, SOCK_RAW, 0)) &&
                                    is_refused(::socket(AF_UNIX, SOCK_STREAM, 0));
                           }),
              may, "^$");
}

}  // namespace
}  // namespace closewatch
