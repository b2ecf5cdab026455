// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/close_wait_socket.h"

#include <utility>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;

SocketRow row(std::uint32_t inode, std::uint32_t receive_queue) {
  SocketRow row;
  row.state = TcpState::kCloseWait;
  row.inode = inode;
  row.receive_queue = receive_queue;
  return row;
}

TEST(CloseWaitSocket, AwaitsTheCallThatIsOwedFirst) {
  EXPECT_EQ(close_wait_socket(row(0, 1)).owes, OwedCall::kAccept);
  EXPECT_EQ(close_wait_socket(row(0, 0)).owes, OwedCall::kAccept);
  EXPECT_EQ(close_wait_socket(row(7, 1)).owes, OwedCall::kRead);
  EXPECT_EQ(close_wait_socket(row(7, 100)).owes, OwedCall::kRead);
  EXPECT_EQ(close_wait_socket(row(7, 0)).owes, OwedCall::kClose);
}

TEST(CloseWaitSocket, CountsTheFinAsNoData) {
  EXPECT_EQ(close_wait_socket(row(7, 0)).unread_bytes(), 0U);
  EXPECT_EQ(close_wait_socket(row(7, 1)).unread_bytes(), 0U);
  EXPECT_EQ(close_wait_socket(row(7, 4097)).unread_bytes(), 4096U);
}

TEST(CloseWaitSocket, IsAsOldAsItsLastAck) {
  auto old = row(7, 0);
  EXPECT_EQ(close_wait_socket(old).age, 0ms);
  old.last_ack_received_ms = 61'000;
  EXPECT_EQ(close_wait_socket(old).age, 61s);
}

TEST(CloseWaitSocket, ShowsAMappedAddressAsWhatItIs) {
  auto mapped = row(7, 0);
  mapped.local = {{AddressFamily::kIpv6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3}},
                  80};
  mapped.remote = {
      {AddressFamily::kIpv6, {0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3}}, 81};
  const auto socket = close_wait_socket(mapped);
  EXPECT_EQ(socket.local, (Endpoint{{AddressFamily::kIpv4, {10, 1, 2, 3}}, 80}));
  EXPECT_EQ(socket.remote, mapped.remote);
  std::swap(mapped.local, mapped.remote);
  EXPECT_EQ(close_wait_socket(mapped).remote, socket.local);
}

TEST(CloseWaitSocket, KnowsWhetherTheKernelNamedItsCgroup) {
  auto made = row(7, 0);
  EXPECT_FALSE(close_wait_socket(made).cgroup_known());
  made.cgroup_id = kUnknownCgroup;
  EXPECT_FALSE(close_wait_socket(made).cgroup_known());
  made.cgroup_id = 4711;
  EXPECT_TRUE(close_wait_socket(made).cgroup_known());
}

}  // namespace
}  // namespace closewatch
