// SPDX-License-Identifier: Apache-2.0
#include "kernel/procfs_source.h"

#include <fcntl.h>

#include <iomanip>
#include <sstream>
#include <string>

#include "tests/support/collecting_sink.h"
#include "tests/support/fake_tree.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using testing::CollectingSink;
using testing::FakeTree;

constexpr const char* kHeading = "  sl  local_address rem_address   st tx_queue rx_queue tr ...\n";

std::string line(unsigned number, const std::string& state) {
  std::ostringstream remote;
  remote << std::uppercase << std::hex << std::setfill('0') << std::setw(8) << number;
  return "   " + std::to_string(number) + ": 0100007F:1F90 " + remote.str() + ":A0B1 " + state +
         " 00000000:00000001 00:00000000 00000000     0        0 " + std::to_string(number + 1) +
         " 1 0000000000000000 20 4 30 10 -1\n";
}

class ProcfsSourceTest : public ::testing::Test {
 protected:
  Result<SocketReading> read(const SocketQuery& query = {}) {
    const auto directory = open_at(kWorkingDirectory, tree_.path().c_str(), O_PATH | O_DIRECTORY);
    return source_.read(directory->get(), query, sink_);
  }

  FakeTree tree_;
  ProcfsSource source_;
  CollectingSink sink_;
};

TEST_F(ProcfsSourceTest, BothFilesAreRead) {
  tree_.add("tcp", kHeading + line(0, "08") + line(1, "01"));
  tree_.add("tcp6", kHeading + line(2, "0A"));
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 3U);
  ASSERT_TRUE(read({.states = bit_of(TcpState::kCloseWait)}));
  EXPECT_EQ(sink_.rows.size(), 1U);
}

TEST_F(ProcfsSourceTest, MoreThanABufferIsReadWhole) {
  std::string text = kHeading;
  for (unsigned i = 0; i < 3000; ++i) text += line(i, "08");
  tree_.add("tcp", text);
  tree_.add("tcp6", kHeading);
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 3000U);
}

TEST_F(ProcfsSourceTest, ASocketThatIsToldAgainCountsOnce) {
  tree_.add("tcp", kHeading + line(0, "08") + line(1, "01") + line(0, "08"));
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 2U);
}

TEST_F(ProcfsSourceTest, ListenersOfOneAddressAreToldApart) {
  const auto first = line(0, "0A");
  auto second = first;
  second.replace(second.rfind(" 1 1 "), 3, " 2 ");  // the inode
  tree_.add("tcp", kHeading + first + second);
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 2U);
}

TEST_F(ProcfsSourceTest, AKernelWithoutIpv6HasOneFile) {
  tree_.add("tcp", kHeading + line(0, "08"));
  ASSERT_TRUE(read());
  EXPECT_EQ(sink_.rows.size(), 1U);
}

TEST_F(ProcfsSourceTest, AProcessThatHasEndedIsGone) {
  const auto reading = read();
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kGone);
}

TEST_F(ProcfsSourceTest, TextThatEndsWithinALineIsAnError) {
  tree_.add("tcp", kHeading + line(0, "08").substr(0, 40));
  tree_.add("tcp6", kHeading);
  const auto reading = read();
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, ErrorKind::kMalformed);
}

}  // namespace
}  // namespace closewatch
