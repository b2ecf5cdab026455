// SPDX-License-Identifier: Apache-2.0
#include "closewatch/systemd/notifier.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/unique_fd.h"
#include "closewatch/systemd/watchdog.h"

namespace closewatch {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Where a service manager listens.
class ManagersSocket {
 public:
  explicit ManagersSocket(const std::string& name)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(&address.sun_path[0], name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
  }

  [[nodiscard]] std::vector<std::string> heard() const {
    std::vector<std::string> words;
    std::array<char, 100> word{};
    for (;;) {
      const auto size = ::recv(socket_.get(), word.data(), word.size(), 0);
      if (size < 0) return words;
      words.emplace_back(word.data(), static_cast<std::size_t>(size));
    }
  }

 private:
  UniqueFd socket_;
};

std::string own_name(const std::string& front) { return front + std::to_string(::getpid()); }

TEST(Notifier, TellsASocketThatIsAFile) {
  const auto path = own_name(testing::TempDir() + "notifier");
  const ManagersSocket manager(path);
  EXPECT_TRUE(Notifier(path).tell("READY=1"));
  EXPECT_THAT(manager.heard(), testing::ElementsAre("READY=1"));
  std::filesystem::remove(path);
}

TEST(Notifier, TellsAnAbstractSocket) {
  const auto name = own_name("@closewatch-notifier");
  const ManagersSocket manager(name);
  EXPECT_TRUE(Notifier(name).tell("STOPPING=1"));
  EXPECT_THAT(manager.heard(), testing::ElementsAre("STOPPING=1"));
}

TEST(Notifier, TellsNobodyWhereThereIsNobody) {
  EXPECT_FALSE(Notifier("").tell("READY=1"));
  EXPECT_FALSE(Notifier("/nonexistent/notify").tell("READY=1"));
  EXPECT_FALSE(Notifier("vsock:2:1234").tell("READY=1"));
  EXPECT_FALSE(Notifier("@" + std::string(108, 'x')).tell("READY=1"));
}

TEST(Notifier, DoesNotWaitForAManagerThatDoesNotRead) {
  const auto name = own_name("@closewatch-full");
  const ManagersSocket manager(name);
  const Notifier notifier(name);
  int told = 0;
  while (told < 100'000 && notifier.tell("WATCHDOG=1")) ++told;
  EXPECT_LT(told, 100'000);
}

/// Variables of the environment for the time of a test.
class WatchdogPeriod : public testing::Test {
 protected:
  void TearDown() override {
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
  }
  static std::optional<microseconds> of(const std::string& usec, const std::string& pid) {
    ::setenv("WATCHDOG_USEC", usec.c_str(), 1);
    if (!pid.empty()) ::setenv("WATCHDOG_PID", pid.c_str(), 1);
    return watchdog_period();
  }
};

TEST_F(WatchdogPeriod, IsForThisProcessOrItsParent) {
  EXPECT_EQ(of("30000000", ""), microseconds(30'000'000));
  EXPECT_EQ(of("30000000", std::to_string(::getpid())), microseconds(30'000'000));
  EXPECT_EQ(of("30000000", std::to_string(::getppid())), microseconds(30'000'000));
  EXPECT_EQ(of("30000000", "1"), ::getppid() == 1 ? of("30000000", "") : std::nullopt);
}

TEST_F(WatchdogPeriod, IsNoneWithoutAWholeNumber) {
  EXPECT_EQ(watchdog_period(), std::nullopt);
  for (const auto* const usec : {"", "0", "-1", "1s", "99999999999999999999"}) {
    EXPECT_EQ(of(usec, ""), std::nullopt) << usec;
  }
}

TEST(Watchdog, IsFedAsLongAsTheServiceLives) {
  const auto name = own_name("@closewatch-watchdog");
  const ManagersSocket socket(name);
  const Notifier manager(name);
  boost::asio::io_context context(1);
  int asked = 0;
  const Watchdog watchdog(context, manager, milliseconds(2), [&] { return ++asked <= 3; });
  while (asked < 6) context.run_one();
  EXPECT_THAT(socket.heard(), testing::ElementsAre("WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"));
}

}  // namespace
}  // namespace closewatch
