// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_event_reader.h"

#include <string>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using testing::FakeProc;

constexpr pid_t kPid = 7;

/// A pod's process with made-up counters.
class TcpEventReaderTest : public ::testing::Test {
 protected:
  TcpEventReaderTest() {
    proc_.process(kPid, "web", kCgroup, "pod-ns");
    proc_.tree().add("cgroup/cgroup.procs", std::to_string(kPid) + "\n");
    count(3);
    wanted_.add(TcpEvent::kListenDrops);
    pod_.containers.resize(1);
    pod_.containers[0].cgroup_directories = {{proc_.tree().path("cgroup"), true}};
  }

  void count(unsigned drops) const {
    proc_.tree().add("proc/7/net/netstat",
                     "TcpExt: ListenDrops\nTcpExt: " + std::to_string(drops) + "\n");
  }
  /// Where the pod's namespace is found.
  [[nodiscard]] LocatedNamespace found() const {
    const auto namespaces = opener_.open(pod_, std::nullopt);
    if (!namespaces) throw std::runtime_error(namespaces.error().what);
    return namespaces->own.at(0).at;
  }
  [[nodiscard]] Result<TcpEventCounts> read(const LocatedNamespace& at) const {
    return TcpEventReader(opener_, wanted_).read(at);
  }

  static constexpr const char* kCgroup = "0::/cgroup\n";
  FakeProc proc_;
  Pod pod_;
  NamespaceOpener opener_{proc_.path()};
  TcpEventSet wanted_;
};

TEST_F(TcpEventReaderTest, ReadsOnlyTheFilesThatItNeeds) {
  const auto counts = read(found());  // there is no snmp
  ASSERT_TRUE(counts) << counts.error().what;
  EXPECT_EQ(counts->of(TcpEvent::kListenDrops), 3U);
  wanted_.add(TcpEvent::kResetsSent);
  EXPECT_EQ(read(found()).error().kind, ErrorKind::kGone);
}

TEST_F(TcpEventReaderTest, DoesNotFollowAProcessIntoAnotherNamespace) {
  const auto at = found();
  proc_.tree().remove("proc/7/ns/net");
  proc_.process(kPid, "web", kCgroup, "other-ns");
  count(99);
  EXPECT_EQ(read(at).error().kind, ErrorKind::kGone);
}

TEST_F(TcpEventReaderTest, TakesNoOtherProcessForTheOneThatHadItsNumber) {
  auto at = found();
  std::get<ProcessRef>(at.where).start_time = 100;
  proc_.tree().remove("proc/7");
  proc_.process(kPid, "another", kCgroup, "pod-ns", 200);
  count(99);
  EXPECT_EQ(read(at).error().kind, ErrorKind::kGone);
}

TEST_F(TcpEventReaderTest, IsGoneWithItsProcess) {
  const auto at = found();
  proc_.tree().remove("proc/7");
  EXPECT_EQ(read(at).error().kind, ErrorKind::kGone);
}

TEST_F(TcpEventReaderTest, BelievesNothingThatIsNoCounter) {
  const auto at = found();
  proc_.tree().add("proc/7/net/netstat", "TcpExt: ListenDrops\nTcpExt: many\n");
  EXPECT_EQ(read(at).error().kind, ErrorKind::kMalformed);
  proc_.tree().add("proc/7/net/netstat", std::string(std::size_t{1} << 20U, 'x'));
  EXPECT_EQ(read(at).error().kind, ErrorKind::kMalformed);
}

}  // namespace
}  // namespace closewatch
