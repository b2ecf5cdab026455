// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/engine_witness.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using Candidate = EngineWitness::Candidate;

class EngineWitnessTest : public ::testing::Test {
 protected:
  /// One scan for so much; a check costs 4 ms. Whose turn it was; "-": nobody's.
  std::string scan(std::chrono::nanoseconds cpu,
                   std::optional<std::string> contradiction = std::nullopt) {
    const auto next = witness_.choose(candidates_);
    if (next) witness_.checked(candidates_[*next].uid, std::move(contradiction), 4ms, 2ms);
    witness_.scanned(cpu);
    return next ? std::string(candidates_[*next].uid) : "-";
  }

  std::vector<Candidate> candidates_{{"a"}, {"b", true}, {"c"}, {"d", true}};
  EngineWitness witness_;
};

TEST_F(EngineWitnessTest, GoesRoundThoseInCloseWaitFirst) {
  std::string turns;
  for (int scans = 0; scans < 10; ++scans) turns += scan(40ms);
  EXPECT_EQ(turns, "bdbdacbdac") << "who is new and does not leak waits for the next round";
}

TEST_F(EngineWitnessTest, CostsAFifthOfTheScans) {
  int checks = 0;
  for (int scans = 0; scans < 1'000; ++scans) checks += scan(2ms) == "-" ? 0 : 1;
  EXPECT_NEAR(checks, 100, 2);
}

TEST_F(EngineWitnessTest, SavesNothingUp) {
  scan(1s);
  candidates_.clear();
  for (int scans = 0; scans < 100; ++scans) scan(1s);
  candidates_ = {{"a"}};
  EXPECT_EQ(scan(0ms), "a");
  int checks = 0;
  for (int scans = 0; scans < 100; ++scans) checks += scan(0ms) == "-" ? 0 : 1;
  EXPECT_LE(checks, 50) << "as much as a fifth of one scan allows";
}

TEST_F(EngineWitnessTest, LooksOnceMoreAtOnceAndThenConvicts) {
  EXPECT_EQ(scan(0ms, "wrong"), "b");
  EXPECT_EQ(witness_.verdict(), std::nullopt);
  EXPECT_EQ(scan(0ms, "wrong again"), "b") << "whatever it costs";
  EXPECT_EQ(witness_.verdict(), "wrong again");
  EXPECT_EQ(scan(1s), "-");
  EXPECT_EQ(witness_.checks().disagree, 2U);
}

TEST_F(EngineWitnessTest, StaysInItsRoundWhenItLooksOnceMore) {
  candidates_ = {{"a", true}};
  for (int scans = 0; scans < 3; ++scans) scan(1s);
  scan(1s, "wrong");
  const auto round = witness_.round();
  scan(0ms, "wrong again");
  EXPECT_EQ(witness_.round(), round);
}

TEST_F(EngineWitnessTest, WhatDoesNotComeBackWasNothing) {
  scan(1s, "wrong");
  scan(1s);
  EXPECT_EQ(scan(1s, "wrong"), "d");
  EXPECT_EQ(witness_.verdict(), std::nullopt);
}

TEST_F(EngineWitnessTest, OneThatHasGoneIsNoSuspectAnyMore) {
  scan(1s, "wrong");
  const auto next = witness_.choose(candidates_);
  ASSERT_EQ(candidates_[*next].uid, "b");
  witness_.undecided("b", 1ms);
  EXPECT_EQ(scan(1s, "wrong"), "d");
  EXPECT_EQ(witness_.verdict(), std::nullopt);
  EXPECT_EQ(witness_.checks().undecided, 1U);
}

TEST_F(EngineWitnessTest, AllAreCheckedHoweverManyComeAndGo) {
  std::map<std::string, int> turns;
  for (int scans = 0; scans < 100; ++scans) {
    const auto fresh = "fresh" + std::to_string(scans);
    candidates_ = {{fresh}, {"old"}};
    ++turns[scan(1s)];
  }
  EXPECT_GE(turns["old"], 30);
}

TEST_F(EngineWitnessTest, TellsWhatOneDumpTakes) {
  EXPECT_EQ(witness_.dump_cpu(), std::nullopt);
  scan(1s);
  EXPECT_EQ(witness_.dump_cpu(), 2ms);
}

}  // namespace
}  // namespace closewatch
