// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "tests/support/fake_proc.h"
#include <gtest/gtest.h>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

using testing::FakeProc;

constexpr const char* kHead =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max cpu time              unlimited            unlimited            seconds   \n";

std::string limits(const std::string& soft) {
  return kHead + ("Max open files            " + soft) +
         "                 524288               files     \n"
         "Max locked memory         8388608              8388608              bytes     \n";
}

TEST(DescriptorLimit, IsTheSoftOne) {
  const auto limit = parse_descriptor_limit(limits("1024"));
  ASSERT_TRUE(limit) << limit.error().what;
  EXPECT_EQ(*limit, 1024U);
}

TEST(DescriptorLimit, MayBeNone) {
  const auto limit = parse_descriptor_limit(limits("unlimited"));
  ASSERT_TRUE(limit) << limit.error().what;
  EXPECT_EQ(*limit, std::nullopt);
}

TEST(DescriptorLimit, IsNotGuessed) {
  for (const auto& wrong :
       {std::string(), std::string(kHead), limits("many"), limits("-1"),
        limits("18446744073709551616"), std::string("Max open files "),
        std::string("Max open files 7"), std::string("not Max open files 7 7 files\n")}) {
    const auto limit = parse_descriptor_limit(wrong);
    ASSERT_FALSE(limit) << wrong;
    EXPECT_EQ(limit.error().kind, ErrorKind::kMalformed);
  }
}

TEST(DescriptorLimit, IsThatOfThisProcess) {
  rlimit own{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &own), 0);
  const auto proc = open_at(kWorkingDirectory, "/proc/self", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(proc);
  const auto limit = descriptor_limit(proc->get());
  ASSERT_TRUE(limit) << limit.error().what;
  EXPECT_EQ(*limit, own.rlim_cur);
}

TEST(OpenDescriptors, AreThoseOfThisProcessHoweverTheyAreCounted) {
  const auto proc = open_at(kWorkingDirectory, "/proc", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(proc);
  const UniqueFd one_more(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::size_t left = 100'000;
  const auto listed = open_descriptors(proc->get(), "self", false, left);
  ASSERT_TRUE(listed) << listed.error().what;
  EXPECT_EQ(left, 100'000 - listed->count);
  if (!kernel_counts_descriptors()) GTEST_SKIP() << "this kernel does not count them";
  const auto counted = open_descriptors(proc->get(), "self", true, left);
  ASSERT_TRUE(counted) << counted.error().what;
  EXPECT_EQ(counted->count + 1, listed->count);  // that of the directory which is listed
  EXPECT_EQ(counted->process, listed->process);
}

TEST(OpenDescriptors, AreListedAsFarAsTheBoundGoes) {
  const FakeProc proc;
  proc.process(7, "web", "0::/\n", "web-ns");
  for (int descriptor = 0; descriptor < 3; ++descriptor) proc.socket(7, descriptor, 100);
  const auto directory = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH | O_DIRECTORY);
  ASSERT_TRUE(directory);
  std::size_t enough = 3;
  const auto all = open_descriptors(directory->get(), "7", false, enough);
  ASSERT_TRUE(all) << all.error().what;
  EXPECT_EQ(all->count, 3U);
  std::size_t few = 2;
  const auto more = open_descriptors(directory->get(), "7", false, few);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind, ErrorKind::kOverLimit);
}

TEST(OpenDescriptors, AreGoneWithTheirProcess) {
  const FakeProc proc;
  const auto directory = open_at(kWorkingDirectory, proc.path().c_str(), O_PATH | O_DIRECTORY);
  ASSERT_TRUE(directory);
  std::size_t left = 10;
  const auto gone = open_descriptors(directory->get(), "7", true, left);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::kGone);
}

}  // namespace
}  // namespace closewatch
