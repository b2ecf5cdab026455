#include "closewatch/kubernetes/pod_objects.h"

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

TEST(ParsePodPage, TellsPodsWithTheirWorkloads) {
  const auto page = parse_pod_page(
      list_of("[" + kCart + "," + kStatic + "]", R"("resourceVersion":"9","continue":"abc")"));
  ASSERT_TRUE(page) << page.error().what;
  EXPECT_EQ(page->pods, (std::vector{kCartPod, kStaticPod}));
  EXPECT_EQ(page->resource_version, "9");
  EXPECT_EQ(page->next, "abc");
}

TEST(ParsePodPage, TakesAListWithoutItems) {
  for (const auto* const items : {"[]", "null"}) {
    const auto page = parse_pod_page(list_of(items, R"("resourceVersion":"9")"));
    ASSERT_TRUE(page) << page.error().what;
    EXPECT_TRUE(page->pods.empty());
    EXPECT_TRUE(page->next.empty());
  }
  EXPECT_TRUE(parse_pod_page(R"({"metadata":{"resourceVersion":"9"}})"));
}

TEST(ParsePodPage, TakesAPodThatNobodyOwns) {
  for (const auto* const owners :
       {"", R"(,"ownerReferences":[])", R"(,"ownerReferences":null)",
        R"(,"ownerReferences":[{"kind":"Job","name":"x"}])",
        R"(,"ownerReferences":[{"kind":"Job","name":"x","controller":false}])",
        R"(,"ownerReferences":[7,{"kind":"Job","name":"a\nb","controller":true}])"}) {
    const auto page =
        parse_pod_page(pod_with(R"("name":"a","namespace":"b","uid":"c")" + std::string(owners)));
    ASSERT_TRUE(page) << page.error().what;
    EXPECT_EQ(page->pods.at(0), (PodObject{"c", "", {"b", "a", "", ""}})) << owners;
  }
}

TEST(ParsePodPage, RefusesWhatIsNoListOfPods) {
  const auto whole = list_of("[" + kCart + "]", R"("resourceVersion":"9")");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_pod_page(whole.substr(0, size))) << size;
  }
  for (const auto& wrong :
       {std::string("[]"), std::string("null"), std::string("{}"), whole + "x", list_of("[]", ""),
        list_of("{}", R"("resourceVersion":"9")"), list_of("[]", R"("resourceVersion":9)"),
        list_of("[1]", R"("resourceVersion":"9")"), list_of("[{}]", R"("resourceVersion":"9")"),
        pod_with(R"("name":"a","namespace":"b")"), pod_with(R"("name":"a","uid":"c")"),
        pod_with(R"("namespace":"b","uid":"c")"),
        pod_with(R"("name":"a\u00e9","namespace":"b","uid":"c")"),
        pod_with(R"("name":{},"namespace":"b","uid":"c")"), std::string(200, '[')}) {
    const auto page = parse_pod_page(wrong);
    ASSERT_FALSE(page) << wrong;
    EXPECT_EQ(page.error().kind, ErrorKind::kMalformed);
  }
}

TEST(ParseWatchEvent, TellsWhatHappened) {
  for (const auto& [type, kind] :
       {std::pair{"ADDED", WatchEvent::Kind::kPut}, std::pair{"MODIFIED", WatchEvent::Kind::kPut},
        std::pair{"DELETED", WatchEvent::Kind::kDeleted}}) {
    const auto parsed = parse_watch_event(event(type, kCart));
    ASSERT_TRUE(parsed) << parsed.error().what;
    EXPECT_EQ(parsed->kind, kind);
    EXPECT_EQ(parsed->pod, kCartPod);
    EXPECT_EQ(parsed->resource_version, "7");
  }
  const auto bookmark =
      parse_watch_event(event("BOOKMARK", R"({"metadata":{"resourceVersion":"12"}})"));
  ASSERT_TRUE(bookmark) << bookmark.error().what;
  EXPECT_EQ(bookmark->kind, WatchEvent::Kind::kBookmark);
  EXPECT_EQ(bookmark->resource_version, "12");
}

TEST(ParseWatchEvent, TellsThatTheVersionIsTooOldFromOtherErrors) {
  const auto gone = parse_watch_event(
      event("ERROR", R"({"kind":"Status","code":410,"message":"too old\u0007 version"})"));
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->kind, WatchEvent::Kind::kGone);
  EXPECT_EQ(gone->message, "too old? version");
  for (const auto* const status : {R"({"code":500,"message":"x"})", R"({"code":"410"})", "{}"}) {
    EXPECT_EQ(parse_watch_event(event("ERROR", status))->kind, WatchEvent::Kind::kError) << status;
  }
}

TEST(ParseWatchEvent, RefusesWhatIsNoEvent) {
  for (const auto& wrong : {std::string(), std::string("{}"), event("ADDED", "null"),
                            event("ADDED", "{}"), event("RENAMED", kCart), event("", kCart),
                            event("BOOKMARK", "{}"), event("DELETED", R"({"metadata":{}})")}) {
    EXPECT_FALSE(parse_watch_event(wrong)) << wrong;
  }
}

TEST(ParseStatusMessage, IsEmptyForWhatIsNoStatus) {
  EXPECT_EQ(parse_status_message(R"({"message":"pods is forbidden"})"), "pods is forbidden");
  EXPECT_EQ(parse_status_message("<html>"), "");
  EXPECT_EQ(parse_status_message(R"({"message":")" + std::string(5000, 'x') + "\"}").size(), 300U);
}

}  // namespace
}  // namespace closewatch
