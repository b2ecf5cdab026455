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

}  // namespace
}  // namespace closewatch
