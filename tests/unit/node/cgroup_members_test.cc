// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/cgroup_members.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_tree.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::ElementsAre;
using testing::FakeTree;
using ::testing::IsEmpty;

using Pids = std::vector<pid_t>;

std::vector<Pids> members(const FakeTree& tree, const std::string& directory,
                          std::vector<Error>* errors = nullptr, MembersLeft left = {}) {
  std::vector<Pids> found;
  auto failed =
      visit_members(tree.path(directory), left,
                    [&](std::uint64_t /*cgroup_id*/, const Pids& pids) { found.push_back(pids); });
  if (errors != nullptr) *errors = std::move(failed);
  return found;
}

TEST(VisitMembers, TellsEachDirectoriesOwnTheLowestNumberFirst) {
  const FakeTree tree({{"c/cgroup.procs", "30\n4\n100\n"},
                       {"c/empty/cgroup.procs", ""},
                       {"c/empty/below/cgroup.procs", "7\n"}});
  EXPECT_THAT(members(tree, "c"), ElementsAre(Pids{4, 30, 100}, Pids{}, Pids{7}));
}

TEST(VisitMembers, PassesOverWhatIsNoNumber) {
  const FakeTree tree(FakeTree::Entries{{"c/cgroup.procs", "x\n5\n\n99999999999999\n6"}});
  EXPECT_THAT(members(tree, "c"), ElementsAre(Pids{5, 6}));
}

TEST(VisitMembers, GoesSoDeepAndNoDeeper) {
  std::string path = "c";
  FakeTree tree;
  tree.add(path + "/cgroup.procs");
  for (int depth = 1; depth <= 33; ++depth) {
    path += "/d";
    tree.add(path + "/cgroup.procs", std::to_string(depth) + "\n");
  }
  std::vector<Error> errors;
  const auto found = members(tree, "c", &errors);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].kind, ErrorKind::kOverLimit);
  ASSERT_EQ(found.size(), 33U);
  EXPECT_EQ(found.back(), Pids{32});
}

TEST(VisitMembers, GivesUpWhereMoreDirectoriesOrProcessesAreThanAreLooked) {
  const FakeTree tree(
      {{"c/cgroup.procs", "1\n2\n"}, {"c/a/cgroup.procs", "3\n"}, {"c/b/cgroup.procs", "4\n5\n"}});
  std::vector<Error> errors;
  EXPECT_EQ(members(tree, "c", &errors, {.directories = 3, .processes = 5}).size(), 3U);
  EXPECT_THAT(errors, IsEmpty());
  for (const auto& left : {MembersLeft{.directories = 2, .processes = 5},
                           MembersLeft{.directories = 3, .processes = 4}}) {
    EXPECT_EQ(members(tree, "c", &errors, left).size(), 2U);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].kind, ErrorKind::kOverLimit);
  }
}

TEST(VisitMembers, ReadsNoListThatIsLongerThanWhatIsLookedAt) {
  std::string many;
  for (int pid = 0; pid < 16'385; ++pid) many += "4194304\n";
  const FakeTree tree(FakeTree::Entries{{"c/cgroup.procs", many}});
  std::vector<Error> errors;
  EXPECT_THAT(members(tree, "c", &errors), IsEmpty());
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].kind, ErrorKind::kOverLimit);
}

TEST(VisitMembers, SaysThatADirectoryHasGone) {
  std::vector<Error> errors;
  EXPECT_THAT(members(FakeTree(), "gone", &errors), IsEmpty());
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].kind, ErrorKind::kGone);
}

TEST(VisitCgroups, TellsTheSameDirectoriesWithoutTheirProcesses) {
  const FakeTree tree({{"c/cgroup.procs", "1\n"}, {"c/below/cgroup.procs", "2\n"}});
  std::vector<std::uint64_t> ids;
  std::vector<Pids> processes;
  MembersLeft left{2, 0};
  EXPECT_THAT(visit_cgroups(tree.path("c"), left,
                            [&](std::uint64_t id, const Pids& pids) {
                              ids.push_back(id);
                              processes.push_back(pids);
                            }),
              IsEmpty());
  EXPECT_EQ(ids.size(), 2U);
  EXPECT_NE(ids.at(0), ids.at(1));
  EXPECT_THAT(processes, ElementsAre(Pids{}, Pids{}));
  EXPECT_EQ(left.directories, 0U);
}

}  // namespace
}  // namespace closewatch
