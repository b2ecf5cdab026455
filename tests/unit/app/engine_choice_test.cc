// SPDX-License-Identifier: Apache-2.0
#include "app/engine_choice.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class FakeSource final : public SocketSource {
 public:
  void begin_scan(std::optional<int> /*split*/) override {}
  Result<SocketReading> read(int /*network_namespace*/, const SocketQuery& /*query*/,
                             RowSink& /*sink*/) override {
    return SocketReading{};
  }
};

class EngineChoiceTest : public ::testing::Test {
 protected:
  Result<ChosenEngine> choose(EngineChoice choice) {
    return choose_engine(choice, [this](Engine engine) -> Result<std::unique_ptr<SocketSource>> {
      tried_.push_back(engine);
      if (const auto broken = broken_.find(engine); broken != broken_.end()) {
        return tl::unexpected(broken->second);
      }
      return std::make_unique<FakeSource>();
    });
  }
  static std::string reasons(const ChosenEngine& chosen) {
    std::string text;
    for (const auto& [engine, reason] : chosen.engines) {
      text += std::string(name_of(engine)) + "=" + std::string(reason) + " ";
    }
    return text;
  }

  std::map<Engine, Error> broken_;
  std::vector<Engine> tried_;
};

TEST_F(EngineChoiceTest, AutoBeginsWithTheKernelsOwnAnswers) {
  const auto chosen = choose(EngineChoice::kAuto);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->engine, Engine::kInetDiag);
  EXPECT_THAT(chosen->remarks, IsEmpty());
  EXPECT_EQ(reasons(*chosen), "inet_diag= bpf=not_needed procfs=not_needed ");
}

TEST_F(EngineChoiceTest, AutoTakesBpfWhereInetDiagMayNotBeUsed) {
  broken_ = {{Engine::kInetDiag, {ErrorKind::kDenied, "CAP_SYS_ADMIN is missing"}}};
  const auto chosen = choose(EngineChoice::kAuto);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->engine, Engine::kBpf);
  EXPECT_EQ(reasons(*chosen), "inet_diag=denied bpf= procfs=not_needed ");
}

TEST_F(EngineChoiceTest, WhatDoesNotWorkIsSaidAndTheNextTaken) {
  broken_ = {{Engine::kBpf, {ErrorKind::kUnsupported, "no BTF"}},
             {Engine::kInetDiag, {ErrorKind::kDenied, "CAP_SYS_ADMIN is missing"}}};
  for (const auto choice : {EngineChoice::kAuto, EngineChoice::kBpf}) {
    const auto chosen = choose(choice);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->engine, Engine::kProcfs);
    EXPECT_THAT(chosen->remarks,
                UnorderedElementsAre(AllOf(StartsWith("the engine bpf cannot be used on Linux "),
                                           EndsWith(": no BTF; procfs is used instead")),
                                     AllOf(HasSubstr("inet_diag"), HasSubstr("CAP_SYS_ADMIN"))));
    EXPECT_EQ(reasons(*chosen), "inet_diag=denied bpf=unsupported procfs= ");
  }
}

TEST_F(EngineChoiceTest, OthersAreNotReplaced) {
  broken_ = {{Engine::kInetDiag, {ErrorKind::kSystem, "broken"}}};
  const auto chosen = choose(EngineChoice::kInetDiag);
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().what, "broken");
  EXPECT_THAT(tried_, ElementsAre(Engine::kInetDiag));
  EXPECT_EQ(choose(EngineChoice::kProcfs)->engine, Engine::kProcfs);
}

}  // namespace
}  // namespace closewatch
