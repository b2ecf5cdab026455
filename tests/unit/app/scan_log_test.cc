// SPDX-License-Identifier: Apache-2.0
#include "app/scan_log.h"

#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::sample_snapshot;
using ::testing::SizeIs;

auto line(LogLevel level, const char* text) {
  return AllOf(Field(&LogLine::level, level), Field(&LogLine::text, HasSubstr(text)));
}

TEST(ScanLog, TellsEverythingAtFirst) {
  auto snapshot = sample_snapshot();
  snapshot.complaints = {"metadata: no directory"};
  EXPECT_THAT(changes(nullptr, snapshot),
              ElementsAre(line(LogLevel::kInfo, "first scan done: 5 pods"),
                          line(LogLevel::kWarn, "metadata: no directory"),
                          line(LogLevel::kInfo, "kube-system/proxy is not visible (host_network)"),
                          line(LogLevel::kDebug, "shop/web-0 is not visible (no_process)"),
                          line(LogLevel::kWarn, "uid-nameless is not visible (denied): CAP_SYS_AD"),
                          line(LogLevel::kInfo, "1 pods have no name")));
}

TEST(ScanLog, IsSilentWhileNothingChanges) {
  auto snapshot = sample_snapshot();
  snapshot.complaints = {"metadata: no directory"};
  EXPECT_THAT(changes(&snapshot, snapshot), IsEmpty());
}

TEST(ScanLog, TellsWhenAPodComesBack) {
  const auto before = sample_snapshot();
  auto after = before;
  after.pods.back().visibility = Visibility::kVisible;
  EXPECT_THAT(changes(&before, after), ElementsAre(line(LogLevel::kWarn, "is visible again")));
}

TEST(ScanLog, TellsWhenTheIntervalChanges) {
  const auto before = sample_snapshot();
  auto after = before;
  after.interval = 25s;
  after.cpu = 250ms;
  EXPECT_THAT(changes(&before, after),
              ElementsAre(line(LogLevel::kWarn, "0.250 s of CPU: the interval is now 25 s")));
  EXPECT_THAT(changes(&after, before), ElementsAre(line(LogLevel::kInfo, "now 10 s")));
}

TEST(ScanLog, TellsWhenTheApiServerTellsNames) {
  const auto before = sample_snapshot();
  auto after = before;
  after.features.metadata_api = true;
  EXPECT_THAT(changes(&before, after),
              ElementsAre(line(LogLevel::kInfo, "tells the pods' names again")));
  EXPECT_THAT(changes(&after, after), IsEmpty());
  EXPECT_THAT(changes(nullptr, after), Contains(line(LogLevel::kInfo, "tells the pods' names")));
}

TEST(ScanLog, TellsANewComplaintOnly) {
  auto before = sample_snapshot();
  before.complaints = {"a"};
  auto after = before;
  after.complaints = {"a", "b"};
  EXPECT_THAT(changes(&before, after), SizeIs(1));
}

}  // namespace
}  // namespace closewatch
