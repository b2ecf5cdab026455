// SPDX-License-Identifier: Apache-2.0
#include "crossing/message.h"

#include <string>

#include <gtest/gtest.h>

namespace closewatch::crossing {
namespace {

PodObject pod(const std::string& name) {
  return {"uid-" + name, "", {"shop", name, "Deployment", "cart"}};
}

Result<Names> crossed(const Names& names) { return unpack_names(pack(names)); }

TEST(Messages, NamesComeAsTheyWere) {
  const auto names = crossed({{pod("a"), pod("b")}, {}});
  ASSERT_TRUE(names);
  EXPECT_EQ(names->pods, (std::vector{pod("a"), pod("b")}));
  EXPECT_TRUE(names->state);
}

TEST(Messages, SoDoesWhyThereAreNone) {
  const auto names = crossed({{}, fail(ErrorKind::kDenied, "403")});
  ASSERT_TRUE(names);
  ASSERT_FALSE(names->state);
  EXPECT_EQ(names->state.error().kind, ErrorKind::kDenied);
  EXPECT_EQ(names->state.error().what, "403");
}

TEST(Messages, ANameThatKubernetesDoesNotAllowIsRefused) {
  const auto spoilt = [](auto spoil) {
    auto object = pod("a");
    spoil(object);
    return crossed({{object}, {}}).has_value();
  };
  EXPECT_TRUE(spoilt([](PodObject&) {}));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.uid = ""; }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.uid = "../../etc"; }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.metadata.name = "a\nb"; }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.metadata.name = "\xff"; }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.metadata.pod_namespace = std::string(254, 'a'); }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.metadata.workload = "a\"b"; }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.metadata.workload_kind = "a b"; }));
  EXPECT_FALSE(spoilt([](PodObject& a) { a.config_hash = "a/b"; }));
}

TEST(Messages, MorePodsThanMayBeAreRefused) {
  Names names;
  for (std::size_t i = 0; i < kMostPods; ++i) names.pods.push_back(pod(std::to_string(i)));
  EXPECT_TRUE(crossed(names));
  names.pods.push_back(pod("one-more"));
  EXPECT_FALSE(crossed(names));
}

TEST(Messages, MoreInodesThanMayBeAreRefused) {
  WhoHolds question{7, "uid", std::vector<std::uint32_t>(kMostInodes, 1)};
  const auto crossed_question = unpack_who_holds(pack(question));
  ASSERT_TRUE(crossed_question);
  EXPECT_EQ(crossed_question->number, 7U);
  EXPECT_EQ(crossed_question->uid, "uid");
  question.inodes.push_back(1);
  EXPECT_FALSE(unpack_who_holds(pack(question)));
}

TEST(Messages, AnswersComeAsTheyWere) {
  SocketOwnerList list{{{4711U, SocketOwner{77, "java", 3}}}, Error{ErrorKind::kHung, "late"}};
  const auto holders = unpack_holders(pack(Holders{9, list}));
  ASSERT_TRUE(holders);
  EXPECT_EQ(holders->number, 9U);
  EXPECT_EQ(holders->list.by_inode.at(4711).comm, "java");
  EXPECT_EQ(holders->list.by_inode.at(4711).pid, 77);
  EXPECT_EQ(holders->list.error->what, "late");
}

TEST(Messages, NoPartOfOneIsOne) {
  const auto names = pack(Names{{pod("a")}, fail(ErrorKind::kSystem, "why")});
  const auto pulse = pack(Pulse{});
  for (std::size_t size = 0; size < names.size(); ++size) {
    EXPECT_FALSE(unpack_names(std::string_view(names).substr(0, size)));
  }
  for (std::size_t size = 0; size < pulse.size(); ++size) {
    EXPECT_FALSE(unpack_pulse(std::string_view(pulse).substr(0, size)));
  }
  EXPECT_FALSE(unpack_names(names + "x"));
  EXPECT_TRUE(unpack_pulse(pulse));
}

}  // namespace
}  // namespace closewatch::crossing
