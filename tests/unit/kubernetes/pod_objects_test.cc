// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_objects.h"

#include <algorithm>
#include <ostream>

#include <gtest/gtest.h>

namespace closewatch {

void PrintTo(const PodObject& pod, std::ostream* out) {
  *out << pod.metadata.pod_namespace << "/" << pod.metadata.name << " " << pod.uid << " "
       << pod.config_hash << " " << pod.metadata.workload_kind << "/" << pod.metadata.workload;
}

namespace {

const std::string kCart =
    R"({"metadata":{"name":"cart-5d9c-x","namespace":"shop","uid":"u-1","resourceVersion":"7",)"
    R"("labels":{"pod-template-hash":"5d9c"},"ownerReferences":[)"
    R"({"kind":"Other","name":"o"},{"kind":"ReplicaSet","name":"cart-5d9c","controller":true}]}})";
const std::string kStatic =
    R"({"metadata":{"name":"etcd-n1","namespace":"kube-system","uid":"u-2","resourceVersion":"8",)"
    R"("annotations":{"kubernetes.io/config.hash":"abc123","kubernetes.io/config.mirror":"abc123"},)"
    R"("ownerReferences":[{"kind":"Node","name":"n1","controller":true}]}})";
const PodObject kCartPod{"u-1", "", {"shop", "cart-5d9c-x", "Deployment", "cart"}};
const PodObject kStaticPod{"u-2", "abc123", {"kube-system", "etcd-n1", "", ""}};

std::string list_of(const std::string& items, const std::string& metadata) {
  return R"({"kind":"PartialObjectMetadataList","metadata":{)" + metadata + R"(},"items":)" +
         items + "}";
}

std::string event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}";
}

std::string pod_with(const std::string& metadata) {
  return list_of("[{\"metadata\":{" + metadata + "}}]", R"("resourceVersion":"1")");
}

/// A page that comes in pieces of so many bytes.
Result<PodPage> read_page(std::string_view text, std::size_t step = std::string_view::npos) {
  PodPageReader reader;
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
    if (auto fed = reader.feed(text.substr(0, step)); !fed) return tl::unexpected(fed.error());
  }
  return std::move(reader).page();
}

Result<std::vector<WatchEvent>> read_events(std::string_view text,
                                            std::size_t step = std::string_view::npos) {
  WatchReader reader;
  std::vector<WatchEvent> events;
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
    auto fed = reader.feed(text.substr(0, step), [&](const WatchEvent& event) -> Result<void> {
      events.push_back(event);
      return {};
    });
    if (!fed) return tl::unexpected(fed.error());
  }
  return events;
}

Result<WatchEvent> read_event(const std::string& line) {
  auto events = read_events(line + "\n");
  if (!events) return tl::unexpected(events.error());
  if (events->empty()) return fail(ErrorKind::kMalformed, "no event");
  return events->front();
}

TEST(PodPageReader, TellsPodsWithTheirWorkloads) {
  const auto page = read_page(
      list_of("[" + kCart + "," + kStatic + "]", R"("resourceVersion":"9","continue":"abc")"));
  ASSERT_TRUE(page) << page.error().what;
  EXPECT_EQ(page->pods, (std::vector{kCartPod, kStaticPod}));
  EXPECT_EQ(page->resource_version, "9");
  EXPECT_EQ(page->next, "abc");
}

TEST(PodPageReader, TakesAListWithoutItems) {
  for (const auto* const items : {"[]", "null"}) {
    const auto page = read_page(list_of(items, R"("resourceVersion":"9")"));
    ASSERT_TRUE(page) << page.error().what;
    EXPECT_TRUE(page->pods.empty());
    EXPECT_TRUE(page->next.empty());
  }
  EXPECT_TRUE(read_page(R"({"metadata":{"resourceVersion":"9"}})"));
}

TEST(PodPageReader, TakesAPodThatNobodyOwns) {
  for (const auto* const owners :
       {"", R"(,"ownerReferences":[])", R"(,"ownerReferences":null)",
        R"(,"ownerReferences":[{"kind":"Job","name":"x"}])",
        R"(,"ownerReferences":[{"kind":"Job","name":"x","controller":false}])",
        R"(,"ownerReferences":[7,{"kind":"Job","name":"a\nb","controller":true}])"}) {
    const auto page =
        read_page(pod_with(R"("name":"a","namespace":"b","uid":"c")" + std::string(owners)));
    ASSERT_TRUE(page) << page.error().what;
    EXPECT_EQ(page->pods.at(0), (PodObject{"c", "", {"b", "a", "", ""}})) << owners;
  }
}

TEST(PodPageReader, RefusesWhatIsNoListOfPods) {
  const auto whole = list_of("[" + kCart + "]", R"("resourceVersion":"9")");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_page(whole.substr(0, size))) << size;
  }
  for (const auto& wrong :
       {std::string("[]"), std::string("null"), std::string("{}"), whole + "x", list_of("[]", ""),
        list_of("{}", R"("resourceVersion":"9")"), list_of("[]", R"("resourceVersion":9)"),
        list_of("[1]", R"("resourceVersion":"9")"), list_of("[{}]", R"("resourceVersion":"9")"),
        pod_with(R"("name":"a","namespace":"b")"), pod_with(R"("name":"a","uid":"c")"),
        pod_with(R"("namespace":"b","uid":"c")"),
        pod_with(R"("name":"a\u00e9","namespace":"b","uid":"c")"),
        pod_with(R"("name":{},"namespace":"b","uid":"c")"), std::string(200, '[')}) {
    const auto page = read_page(wrong);
    ASSERT_FALSE(page) << wrong;
    EXPECT_EQ(page.error().kind, ErrorKind::kMalformed);
  }
}

TEST(PodPageReader, ReadsTheSameHoweverItComes) {
  const auto text =
      list_of("[" + kCart + "," + kStatic + "]", R"("resourceVersion":"9\u0031","continue":"abc")");
  for (std::size_t step = 1; step < 40; ++step) {
    const auto page = read_page(text, step);
    ASSERT_TRUE(page) << page.error().what;
    EXPECT_EQ(page->pods, (std::vector{kCartPod, kStaticPod})) << step;
    EXPECT_EQ(page->resource_version, "91");
    EXPECT_EQ(page->next, "abc");
  }
}

TEST(PodPageReader, TakesWhatItWantsFromWhereItBelongsOnly) {
  const auto page = read_page(
      R"({"items":[{"spec":{"metadata":{"name":"x"},"uid":"x"},"metadata":{"labels":{"name":"x"},)"
      R"("managedFields":[{"metadata":{"name":"x"},"name":"x"}],"namespace":"b","name":"a",)"
      R"("ownerReferences":[{"kind":"Job","name":"j","controller":true,"metadata":{"uid":"x"}}],)"
      R"("uid":"c","annotations":{"uid":"x"}},"status":[{"uid":"x"},["uid"]]}],)"
      R"("metadata":{"items":[{}],"resourceVersion":"9"},"continue":"x"})");
  ASSERT_TRUE(page) << page.error().what;
  EXPECT_EQ(page->pods, (std::vector{PodObject{"c", "", {"b", "a", "Job", "j"}}}));
  EXPECT_EQ(page->next, "");
}

TEST(PodPageReader, TakesNoNameThatIsTooLong) {
  const std::string longest(253, 'a');
  const auto named = [&](const std::string& name, const std::string& more) {
    return read_page(pod_with(R"("namespace":"b","uid":"c","name":")" + name + '"' + more));
  };
  EXPECT_EQ(named(longest, "")->pods.at(0).metadata.name, longest);
  EXPECT_EQ(named(longest + "a", "").error().kind, ErrorKind::kMalformed);
  EXPECT_FALSE(named(std::string(1U << 20U, 'a'), ""));
  const auto owned = named("a", R"(,"annotations":{"kubernetes.io/config.hash":")" + longest +
                                    R"(a"},"ownerReferences":[{"kind":"Job","name":")" + longest +
                                    R"(a","controller":true}])");
  ASSERT_TRUE(owned) << owned.error().what;
  EXPECT_EQ(owned->pods.at(0), (PodObject{"c", "", {"b", "a", "", ""}}));
}

TEST(PodPageReader, TakesNoVersionAndNoTokenThatIsTooLong) {
  const std::string much(100'000, '1');
  EXPECT_FALSE(read_page(list_of("[]", R"("resourceVersion":")" + much + '"')));
  EXPECT_FALSE(read_page(list_of("[]", R"("resourceVersion":"1","continue":")" + much + '"')));
  EXPECT_FALSE(
      read_event(event("BOOKMARK", R"({"metadata":{"resourceVersion":")" + much + R"("}})")));
}

TEST(PodPageReader, TakesNoMorePodsThanThereMayBe) {
  PodPageReader reader(2);
  EXPECT_TRUE(reader.feed(R"({"items":[)" + kCart + "," + kCart));
  const auto fed = reader.feed("," + kCart);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().kind, ErrorKind::kOverLimit);
}

TEST(WatchReader, ReadsTheSameHoweverItComes) {
  const auto text = event("ADDED", kCart) + "\n\n\n" + event("DELETED", kStatic) + "\n" +
                    event("ADDED", kCart);  // not over
  for (std::size_t step = 1; step < 40; ++step) {
    const auto events = read_events(text, step);
    ASSERT_TRUE(events) << events.error().what;
    ASSERT_EQ(events->size(), 2U) << step;
    EXPECT_EQ(events->at(0).pod, kCartPod);
    EXPECT_EQ(events->at(1).pod, kStaticPod);
  }
}

TEST(WatchReader, TellsWhatHappened) {
  for (const auto& [type, kind] :
       {std::pair{"ADDED", WatchEvent::Kind::kPut}, std::pair{"MODIFIED", WatchEvent::Kind::kPut},
        std::pair{"DELETED", WatchEvent::Kind::kDeleted}}) {
    const auto parsed = read_event(event(type, kCart));
    ASSERT_TRUE(parsed) << parsed.error().what;
    EXPECT_EQ(parsed->kind, kind);
    EXPECT_EQ(parsed->pod, kCartPod);
    EXPECT_EQ(parsed->resource_version, "7");
  }
  const auto bookmark = read_event(event("BOOKMARK", R"({"metadata":{"resourceVersion":"12"}})"));
  ASSERT_TRUE(bookmark) << bookmark.error().what;
  EXPECT_EQ(bookmark->kind, WatchEvent::Kind::kBookmark);
  EXPECT_EQ(bookmark->resource_version, "12");
}

TEST(WatchReader, TellsThatTheVersionIsTooOldFromOtherErrors) {
  const auto gone = read_event(
      event("ERROR", R"({"kind":"Status","code":410,"message":"too old\u0007 version"})"));
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->kind, WatchEvent::Kind::kGone);
  EXPECT_EQ(gone->message, "too old? version");
  for (const auto* const status : {R"({"code":500,"message":"x"})", R"({"code":"410"})", "{}"}) {
    EXPECT_EQ(read_event(event("ERROR", status))->kind, WatchEvent::Kind::kError) << status;
  }
}

TEST(WatchReader, RefusesWhatIsNoEvent) {
  for (const auto& wrong : {std::string(), std::string("{}"), event("ADDED", "null"),
                            event("ADDED", "{}"), event("RENAMED", kCart), event("", kCart),
                            event("BOOKMARK", "{}"), event("DELETED", R"({"metadata":{}})")}) {
    EXPECT_FALSE(read_event(wrong)) << wrong;
  }
}

TEST(ParseStatusMessage, IsEmptyForWhatIsNoStatus) {
  EXPECT_EQ(parse_status_message(R"({"message":"pods is forbidden"})"), "pods is forbidden");
  EXPECT_EQ(parse_status_message("<html>"), "");
  EXPECT_EQ(parse_status_message(R"({"message":")" + std::string(5000, 'x') + "\"}").size(), 300U);
}

}  // namespace
}  // namespace closewatch
