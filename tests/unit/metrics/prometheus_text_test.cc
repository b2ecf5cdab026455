// SPDX-License-Identifier: Apache-2.0
#include "closewatch/metrics/prometheus_text.h"

#include <fstream>
#include <sstream>

#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/metrics/metric_table.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::sample_snapshot;

AgentFacts agent() {
  AgentFacts facts;
  facts.version = "1.2.3";
  facts.compiler = "GNU 12";
  facts.started_at = std::chrono::system_clock::time_point(1'700'000'000s);
  facts.process = {.cpu_seconds = 1.5,
                   .open_fds = 12,
                   .max_fds = 1024,
                   .virtual_bytes = 100'000'000,
                   .resident_bytes = 12'000'000};
  facts.web = {.file = {{.is_current = true,
                         .loaded_at = std::chrono::system_clock::time_point(1'700'000'100s)}},
               .refused = {1, 2, 3, 4, 5, 6, 7}};
  facts.confinement = {.capabilities = true, .system_calls = true, .files = false};
  return facts;
}

std::string text_at(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                    const MetricFilter& without = {}) {
  return snapshot_text(snapshot, now, without) + agent_text(agent());
}

std::string text_of(const Snapshot& snapshot) {
  return text_at(snapshot, snapshot.taken_at_steady);
}

// The whole exposition for one made-up snapshot. When a change is meant, regenerate the file from
// what this test prints.
TEST(PrometheusText, EqualsTheGoldenFile) {
  std::ifstream file(CLOSEWATCH_GOLDEN_DIRECTORY "/metrics.txt", std::ios::binary);
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text_of(sample_snapshot()), golden.str());
}

TEST(PrometheusText, HasEveryStateOfAVisiblePodZerosIncluded) {
  const auto text = text_of(sample_snapshot());
  for (const auto state : kTcpStates) {
    EXPECT_THAT(text,
                HasSubstr("closewatch_pod_sockets{namespace=\"shop\",pod=\"cart-0\",state=\"" +
                          std::string(name_of(state)) + "\"} "));
  }
}

TEST(PrometheusText, HasNoCountsOfAPodThatWasNotCounted) {
  const auto text = text_of(sample_snapshot());
  EXPECT_THAT(text, Not(HasSubstr("closewatch_pod_sockets{namespace=\"unknown\"")));
  EXPECT_THAT(text, HasSubstr("closewatch_pod_visible{namespace=\"unknown\",pod=\"uid-nameless\","
                              "reason=\"denied\"} 0"));
  EXPECT_THAT(text, Not(HasSubstr("closewatch_pod_sockets{namespace=\"kube-system\"")));
}

TEST(PrometheusText, APredecessorWithoutProcessCostsItsSuccessorNothing) {
  const auto text = text_of(sample_snapshot());
  EXPECT_THAT(text,
              HasSubstr("closewatch_pod_visible{namespace=\"shop\",pod=\"web-0\",reason=\"\"} 1"));
  EXPECT_THAT(text, HasSubstr("pod=\"web-0\",state=\"established\"} 5"));
}

TEST(PrometheusText, NamesakesAreOneSeriesAndTheirSum) {
  auto snapshot = sample_snapshot();
  for (auto& pod : snapshot.pods) {
    if (pod.uid == "uid-old") {
      pod.visibility = Visibility::kVisible;
      pod.sums.states.add(TcpState::kEstablished, 2);
    }
  }
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr("pod=\"web-0\",state=\"established\"} 7"));
}

TEST(PrometheusText, EventsOfNamesakesAreTheirSumWhereTheyAreKnownOfAll) {
  auto snapshot = sample_snapshot();
  auto& ending = snapshot.pods[2];
  auto& web = snapshot.pods[3];
  web.tcp_events.emplace().set(TcpEvent::kListenDrops, 4);
  constexpr const char* kSeries =
      "closewatch_pod_tcp_events_total{namespace=\"shop\",pod=\"web-0\",event=\"listen_drops\"} ";
  EXPECT_THAT(text_of(snapshot), HasSubstr(kSeries + std::string("4\n")));
  ending.visibility = Visibility::kVisible;
  EXPECT_THAT(text_of(snapshot), Not(HasSubstr(kSeries)));
  ending.tcp_events.emplace().set(TcpEvent::kListenDrops, 3);
  EXPECT_THAT(text_of(snapshot), HasSubstr(kSeries + std::string("7\n")));
}

TEST(PrometheusText, OneNamesakeThatIsNotWholeMakesTheSumUnknown) {
  auto snapshot = sample_snapshot();
  for (auto& pod : snapshot.pods) {
    if (pod.uid == "uid-old") pod.visibility = Visibility::kIncomplete;
  }
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr("pod=\"web-0\",reason=\"incomplete\"} 0"));
  EXPECT_THAT(text, Not(HasSubstr("pod=\"web-0\",state=")));
}

TEST(PrometheusText, AStaleSnapshotDoesNotPretend) {
  const auto snapshot = sample_snapshot();
  const auto fresh = text_at(snapshot, snapshot.taken_at_steady + 30s);
  EXPECT_THAT(fresh, HasSubstr("closewatch_pod_sockets"));
  const auto stale = text_at(snapshot, snapshot.taken_at_steady + 30s + 1ns);
  EXPECT_THAT(stale, Not(HasSubstr("closewatch_pod_sockets")));
  EXPECT_THAT(stale, Not(HasSubstr("closewatch_node_sockets")));
  EXPECT_THAT(stale, Not(HasSubstr("closewatch_listen_backlog")));
  EXPECT_THAT(stale, HasSubstr("pod=\"cart-0\",reason=\"stale\"} 0"));
  EXPECT_THAT(stale, HasSubstr("closewatch_scan_timestamp_seconds"));
}

TEST(PrometheusText, BeforeTheFirstScanOnlyTheAgentIsThere) {
  const auto text = agent_text(agent());
  EXPECT_THAT(text, HasSubstr("closewatch_build_info{version=\"1.2.3\",compiler=\"GNU 12\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("closewatch_scan")));
  EXPECT_THAT(text, Not(HasSubstr("closewatch_pod")));
}

TEST(PrometheusText, TellsTheCommitWhereTheBuildKnewIt) {
  auto facts = agent();
  facts.revision = "4ae1-modified";
  facts.date = "2026-11-27T04:40:37+00:00";
  EXPECT_THAT(
      agent_text(facts),
      HasSubstr("closewatch_build_info{version=\"1.2.3\",compiler=\"GNU 12\",revision=\"4ae1-"
                "modified\",date=\"2026-11-27T04:40:37+00:00\"} 1"));
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(PrometheusText, WhatIsLeftOutIsCountedAndNeverAZero) {
  const auto snapshot = sample_snapshot();
  const auto whole = text_of(snapshot);
  const auto filter = *MetricFilter::parse(
      "closewatch_close_wait_sockets, closewatch_pod_sockets/syn_sent,closewatch_pod_sockets/closing,"
      "closewatch_listen_backlog_limit,closewatch_close_wait_left_total");
  const auto text = text_at(snapshot, snapshot.taken_at_steady, filter);
  for (const std::string family :
       {"closewatch_close_wait_sockets", "closewatch_listen_backlog_limit",
        "closewatch_close_wait_left_total"}) {
    EXPECT_THAT(text, Not(HasSubstr("\n" + family + "{"))) << family;
    EXPECT_THAT(text, HasSubstr("closewatch_excluded_series{metric=\"" + family + "\"} " +
                                std::to_string(count_of(whole, "\n" + family + "{")) + "\n"));
  }
  const auto left_out = count_of(whole, "state=\"syn_sent\"}") +
                        count_of(whole, "state=\"closing\"}") - 2;  // the node's stay
  EXPECT_THAT(text, HasSubstr("closewatch_excluded_series{metric=\"closewatch_pod_sockets\"} " +
                              std::to_string(left_out) + "\n"));
  EXPECT_EQ(count_of(text, "state=\"syn_sent\"}"), 1U);
  EXPECT_EQ(count_of(text, "closewatch_pod_sockets{"),
            count_of(whole, "closewatch_pod_sockets{") - left_out);
  EXPECT_THAT(whole, Not(HasSubstr("closewatch_excluded_series")));
}

TEST(PrometheusText, EachMetricOfAPodCanBeLeftOutAndSaysHowMuchThatIs) {
  const auto snapshot = sample_snapshot();
  const auto whole = text_of(snapshot);
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    const std::string name(describe(static_cast<Metric>(i)).name);
    const auto filter = MetricFilter::parse(name);
    if (!filter) continue;
    const auto text = text_at(snapshot, snapshot.taken_at_steady, *filter);
    EXPECT_EQ(count_of(text, "\n" + name + "{"), 0U) << name;
    const auto series = count_of(whole, "\n" + name + "{");
    EXPECT_EQ(count_of(text, "closewatch_excluded_series{metric=\"" + name + "\"} " +
                                 std::to_string(series)),
              series == 0 ? 0U : 1U)
        << name;
  }
}

TEST(PrometheusText, AnExcludedPodSaysSoAndNothingElse) {
  auto snapshot = sample_snapshot();
  for (auto& pod : snapshot.pods) {
    if (pod.name == "cart-0") pod.hide(Visibility::kExcluded, "not wanted");
  }
  for (const auto age : {0s, 3600s}) {
    const auto text = text_at(snapshot, snapshot.taken_at_steady + age);
    EXPECT_EQ(count_of(text, "pod=\"cart-0\""), 1U);
    EXPECT_THAT(
        text,
        HasSubstr(
            "closewatch_pod_visible{namespace=\"shop\",pod=\"cart-0\",reason=\"excluded\"} 0"));
  }
}

TEST(MetricFilter, RefusesWhatMustBeThere) {
  for (const auto* const wrong :
       {"closewatch_pod_visible", "closewatch_pod_info", "closewatch_node_sockets",
        "process_open_fds", "moon", "closewatch_pod_sockets/moon",
        "closewatch_close_wait_sockets/listen", "closewatch_pod_sockets/",
        "closewatch_pod_sockets,,"}) {
    EXPECT_FALSE(MetricFilter::parse(wrong)) << wrong;
  }
  EXPECT_TRUE(MetricFilter::parse(""));
}

TEST(PrometheusText, AnUnseenNodeHasNoZeros) {
  auto snapshot = sample_snapshot();
  snapshot.node.reset();
  EXPECT_THAT(text_of(snapshot), Not(HasSubstr("closewatch_node_sockets")));
}

TEST(PrometheusText, BoundsTheListenersOfAPodAndKeepsTheFullest) {
  auto snapshot = sample_snapshot();
  auto& pod = snapshot.pods[1];
  pod.sums.listeners.clear();
  for (std::uint16_t port = 1; port <= 1000; ++port) pod.sums.listeners.push_back({port, 0, 10});
  pod.sums.listeners[499].sockets = 7;
  pod.sums.listeners.push_back({1001, 1, 10});
  for (std::uint16_t port = 2001; port <= 2031; ++port) {
    pod.sums.listeners.push_back({port, 9, 4096});  // more that wait, and far from full
  }
  const auto text = text_of(snapshot);
  const std::string prefix = "closewatch_listen_backlog_sockets{namespace=\"shop\",pod=\"cart-0\"";
  std::size_t series = 0;
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
    ++series;
  }
  EXPECT_EQ(series, 33U);
  EXPECT_THAT(text, HasSubstr(prefix + ",port=\"500\"} 7"));
  EXPECT_THAT(text, HasSubstr(prefix + ",port=\"1001\"} 1"));
  EXPECT_THAT(text, HasSubstr("_limit{namespace=\"shop\",pod=\"cart-0\",port=\"other\"} 14086"));
}

TEST(PrometheusText, AHostNetworkPodHasNoZerosForWhatNobodyCanTell) {
  auto snapshot = sample_snapshot();
  snapshot.pods[0].visibility = Visibility::kVisible;
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr("pod=\"proxy\",state=\"close_wait\"} 0"));
  for (const auto* const state : {"syn_recv", "fin_wait2", "time_wait"}) {
    EXPECT_THAT(text, Not(HasSubstr("pod=\"proxy\",state=\"" + std::string(state))));
  }
}

TEST(PrometheusText, NamesakesHaveOneDiagnosis) {
  auto snapshot = sample_snapshot();
  for (auto& pod : snapshot.pods) {
    if (pod.name != "web-0") continue;
    pod.visibility = Visibility::kVisible;
    pod.diagnosis = testing::sample_diagnosis();
  }
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr("closewatch_close_wait_stuck_sockets{namespace=\"shop\","
                              "pod=\"web-0\",container=\"app\"} 2000"));
  EXPECT_THAT(text, HasSubstr("pod=\"web-0\",direction=\"outbound\",peer=\"10.0.0.9:443\"} 1900"));
  EXPECT_THAT(text, HasSubstr("closewatch_close_wait_entered_total{namespace=\"shop\","
                              "pod=\"web-0\"} 2600"));
}

TEST(PrometheusText, NamesTheOwnersOfWhatOtherPodsHaveMade) {
  EXPECT_THAT(text_of(sample_snapshot()), Not(HasSubstr("closewatch_close_wait_owner_sockets")));
  const auto text = text_of(testing::ambient_snapshot());
  EXPECT_THAT(text, HasSubstr("closewatch_close_wait_sockets{namespace=\"shop\",pod=\"cart-0\","
                              "container=\"other_pod\",direction=\"outbound\",owes=\"close\"} 12"));
  EXPECT_THAT(text,
              HasSubstr("closewatch_close_wait_owner_sockets{namespace=\"shop\",pod=\"cart-0\","
                        "owner_namespace=\"istio-system\",owner_pod=\"ztunnel-x7k2p\","
                        "owner_container=\"istio-proxy\"} 10"));
  EXPECT_THAT(text, HasSubstr("owner_pod=\"shell\",owner_container=\"sh\"} 2"));
}

TEST(PrometheusText, AFeatureThatIsNotKnownYetHasNoValue) {
  auto snapshot = sample_snapshot();
  snapshot.features.tcp_info.reset();
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr("closewatch_feature_enabled{feature=\"cgroup_id\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("feature=\"tcp_info\"")));
}

TEST(PrometheusText, EscapesWhatANameMayHold) {
  auto snapshot = sample_snapshot();
  snapshot.pods[1].name = "a\"b\\c\nd";
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr(R"(pod="a\"b\\c\nd"} )"));         // where it is the last label
  EXPECT_THAT(text, HasSubstr(R"(pod="a\"b\\c\nd",reason=")"));  // and where others come after it
  EXPECT_THAT(text, Not(HasSubstr(R"(a"b)")));
}

TEST(MetricTable, NamesEveryMetricOnce) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    EXPECT_TRUE(names.insert(describe(static_cast<Metric>(i)).name).second);
  }
}

TEST(PrometheusText, NamesakesHaveAsManyPeersAsOnePod) {
  auto snapshot = sample_snapshot();
  snapshot.settings.peers = 1;
  for (auto& pod : snapshot.pods) {
    if (pod.name != "web-0") continue;
    pod.visibility = Visibility::kVisible;
    pod.diagnosis = testing::sample_diagnosis();
    pod.diagnosis.peers = {{Direction::kOutbound, pod.uid + ":443", 10, 10}};
  }
  const auto text = text_of(snapshot);
  EXPECT_THAT(text, HasSubstr("direction=\"outbound\",peer=\"uid-old:443\"} 10"));
  EXPECT_THAT(text, HasSubstr("pod=\"web-0\",direction=\"outbound\",peer=\"other\"} 10"));
  EXPECT_THAT(text, Not(HasSubstr("uid-new:443")));
}

}  // namespace
}  // namespace closewatch
