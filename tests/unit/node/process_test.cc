#include "closewatch/node/process.h"

#include <fcntl.h>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using testing::FakeProc;

TEST(ParseProcessStat, ReadsNameAndStart) {
  const auto stat = parse_process_stat(
      "42 (we) (ird name) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000 1 0");
  ASSERT_TRUE(stat) << stat.error().what;
  EXPECT_EQ(stat->comm, "we) (ird name");
  EXPECT_EQ(stat->start_time, 987654U);
}

TEST(ParseProcessStat, RefusesWhatIsCutOrNoNumber) {
  for (const auto* const wrong :
       {"", "42", "42 (x", "42 x) S 1", "42 (x) S 1 2 3",
        "42 (x) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 late 1"}) {
    EXPECT_FALSE(parse_process_stat(wrong)) << wrong;
  }
}

TEST(IsRuntimeCommand, KnowsRuncAndCrun) {
  using namespace std::string_literals;
  EXPECT_TRUE(is_runtime_command("runc\0init\0"s));
  EXPECT_TRUE(is_runtime_command("/usr/sbin/runc\0init\0"s));
  EXPECT_TRUE(is_runtime_command("crun\0--root\0/run/crun\0create\0"s));
  EXPECT_FALSE(is_runtime_command("runc\0--version\0"s));
  EXPECT_FALSE(is_runtime_command("/sbin/init\0"s));
  EXPECT_FALSE(is_runtime_command("myrunc\0init\0"s));
  EXPECT_FALSE(is_runtime_command(""));
}

TEST(IsSandboxCommand, KnowsGvisorAndKata) {
  using namespace std::string_literals;
  EXPECT_TRUE(is_sandbox_command("runsc-sandbox\0--root=/run\0"s));
  EXPECT_TRUE(is_sandbox_command("/usr/local/bin/runsc-gofer\0"s));
  EXPECT_TRUE(is_sandbox_command("/opt/kata/bin/containerd-shim-kata-v2\0-id\0"s));
  EXPECT_TRUE(is_sandbox_command("/usr/bin/qemu-system-x86_64\0-qmp\0unix:/run/vc/vm/1/qmp\0"s));
  EXPECT_TRUE(is_sandbox_command("virtiofsd\0source=/run/kata-containers/shared\0"s));
  EXPECT_FALSE(is_sandbox_command("/usr/bin/qemu-system-x86_64\0-m\0"s + "512"));
  EXPECT_FALSE(is_sandbox_command("java\0-jar\0runsc.jar\0"s));
  EXPECT_FALSE(is_sandbox_command(""));
}

}  // namespace
}  // namespace closewatch
