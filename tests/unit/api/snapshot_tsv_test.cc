// SPDX-License-Identifier: Apache-2.0
#include "api/snapshot_tsv.h"

#include <map>
#include <sstream>
#include <vector>

#include "tests/support/sample_snapshot.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using testing::sample_listing;
using testing::sample_snapshot;
using ::testing::UnorderedElementsAre;

using Row = std::map<std::string, std::string>;

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> found{""};
  for (const char c : line) {
    if (c == '\t') {
      found.emplace_back();
    } else {
      found.back() += c;
    }
  }
  return found;
}

/// What a reader that goes by the header gets; remarks have the one column "#".
std::vector<Row> rows(const std::string& text) {
  std::istringstream stream(text);
  std::string line;
  std::getline(stream, line);
  const auto names = cells(line);
  std::vector<Row> found;
  while (std::getline(stream, line)) {
    if (line.starts_with('#')) {
      found.push_back({{"#", line}});
      continue;
    }
    const auto values = cells(line);
    EXPECT_EQ(values.size(), names.size()) << line;
    auto& row = found.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) row[names.at(i)] = values.at(i);
  }
  return found;
}

std::string header(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(PodsTsv, HasAHeaderThatReadersRelyOn) {
  const auto snapshot = sample_snapshot();
  EXPECT_EQ(header(pods_tsv(snapshot, snapshot.taken_at_steady)),
            "namespace\tpod\tuid\tworkload_kind\tworkload\thost_network\tvisible\treason\t"
            "established\tsyn_sent\tsyn_recv\tfin_wait1\tfin_wait2\ttime_wait\tclose\tclose_wait\t"
            "last_ack\tlisten\tclosing\tstuck\toldest_seconds\towes_accept\towes_read\t"
            "owes_close\tinbound\toutbound\tunread_bytes\tentered_total\tleft_total\t"
            "containers\tpeers\towners\tclosed_held\tclosed_held_oldest_seconds\t"
            "closed_held_entered_total\tclosed_held_containers\tdescriptors\ttcp_events");
}

TEST(PodsTsv, HasTheDiagnosisOfAPod) {
  const auto snapshot = sample_snapshot();
  const auto all = rows(pods_tsv(snapshot, snapshot.taken_at_steady));
  ASSERT_EQ(all.size(), 6U);
  EXPECT_THAT(all[5], ElementsAre(Pair("#", "#end\t5")));
  auto cart = all[1];
  for (const auto* const state : {"syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
                                  "close", "last_ack", "closing"}) {
    EXPECT_EQ(cart[state], "0");
    cart.erase(state);
  }
  EXPECT_THAT(
      cart,
      UnorderedElementsAre(
          Pair("namespace", "shop"), Pair("pod", "cart-0"), Pair("uid", "uid-cart"),
          Pair("workload_kind", "StatefulSet"), Pair("workload", "cart"),
          Pair("host_network", "false"), Pair("visible", "true"), Pair("reason", ""),
          Pair("established", "17"), Pair("close_wait", "1201"), Pair("listen", "2"),
          Pair("stuck", "1000"), Pair("oldest_seconds", "7380.000"), Pair("owes_accept", "1"),
          Pair("owes_read", "100"), Pair("owes_close", "1100"), Pair("inbound", "101"),
          Pair("outbound", "1100"), Pair("unread_bytes", "4096"), Pair("entered_total", "1300"),
          Pair("left_total", "99"), Pair("containers", "app/1201/1000 sidecar/0/0"),
          Pair("peers",
               "outbound/10.0.0.9:443/1000/950 inbound/[fd00::7]/60/0 inbound/other/41/0 "
               "outbound/other/100/50"),
          Pair("owners", ""), Pair("closed_held", "30"),
          Pair("closed_held_oldest_seconds", "2720.000"), Pair("closed_held_entered_total", "31"),
          Pair("closed_held_containers", "app/30 sidecar/0"),
          Pair("descriptors", "app/1260/4096/8100/77/java sidecar/12///78/envoy"),
          Pair("tcp_events", "listen_overflows/42 established_resets/0")));
}

TEST(PodsTsv, NamesTheOwnersOfWhatOtherPodsHaveMade) {
  const auto snapshot = testing::ambient_snapshot();
  const auto cart = rows(pods_tsv(snapshot, snapshot.taken_at_steady))[1];
  EXPECT_EQ(cart.at("containers"), "app/1189/993 other_pod/12/7 sidecar/0/0");
  EXPECT_EQ(cart.at("owners"), "istio-system/ztunnel-x7k2p/istio-proxy/10/7 debug/shell/sh/2/0");
}

TEST(PodsTsv, HasNoNumbersForWhatWasNotCounted) {
  auto snapshot = sample_snapshot();
  snapshot.pods[1].visibility = Visibility::kIncomplete;
  const auto pod = rows(pods_tsv(snapshot, snapshot.taken_at_steady))[1];
  EXPECT_EQ(pod.at("visible"), "false");
  EXPECT_EQ(pod.at("reason"), "incomplete");
  EXPECT_EQ(pod.at("close_wait") + pod.at("stuck") + pod.at("listen") + pod.at("peers"), "");

  const auto stale = rows(pods_tsv(sample_snapshot(), snapshot.taken_at_steady + 31s))[1];
  EXPECT_EQ(stale.at("reason"), "stale");
  EXPECT_EQ(stale.at("close_wait"), "");
}

TEST(PodsTsv, LeavesOutWhatNobodyKnowsOfAHostNetworkPod) {
  auto snapshot = sample_snapshot();
  snapshot.pods[0].visibility = Visibility::kVisible;
  const auto pod = rows(pods_tsv(snapshot, snapshot.taken_at_steady))[0];
  EXPECT_EQ(pod.at("host_network"), "true");
  EXPECT_EQ(pod.at("time_wait"), "");
  EXPECT_EQ(pod.at("close_wait"), "0");
}

TEST(SocketsTsv, HasEachSocketAndHowManyThereAre) {
  EXPECT_EQ(
      sockets_tsv(sample_listing(testing::ambient_snapshot(), "ja\tva")),
      "state\tlocal\tremote\tdirection\towes\tage_seconds\tunread_bytes\tcontainer\tinode\tpid\t"
      "process\towner_namespace\towner_pod\towner_container\n"
      "close_wait\t10.1.2.3:40000\t10.0.0.9:443\toutbound\tclose\t7380.000\t0\tapp\t4711\t77\tja?va"
      "\t\t\t\n"
      "close_wait\t10.1.2.3:40000\t10.0.0.9:443\tinbound\taccept\t5.000\t100\tother_pod\t0\t\t"
      "\tdebug\tshell\tsh\n"
      "#total\t1231\n"
      "#end\t2\n");
}

TEST(SocketsTsv, TellsWhyThereAreNone) {
  auto listing = sample_listing(sample_snapshot(), "ja\tva");
  listing.visibility = Visibility::kDenied;
  listing.detail = "CAP_SYS_ADMIN\tis missing";
  EXPECT_THAT(sockets_tsv(listing),
              AllOf(HasSubstr("\n#hidden\tdenied\tCAP_SYS_ADMIN?is missing\n#end\t0\n"),
                    ::testing::Not(HasSubstr("#total"))));
}

Row agent_row(const Snapshot& snapshot, std::chrono::seconds later) {
  const std::chrono::system_clock::time_point started_at(1'700'000'000s);
  const AgentFacts facts{"1.2.3", "", started_at, {12.5, 0, 0, 0, 7'340'032}};
  const auto found =
      rows(agent_tsv(snapshot, snapshot.taken_at_steady + later, started_at + 1h, facts));
  EXPECT_EQ(found.size(), 2U);
  return found.at(0);
}

TEST(AgentTsv, TellsHealthCoverageAndCost) {
  EXPECT_THAT(
      agent_row(sample_snapshot(), 4s),
      UnorderedElementsAre(
          Pair("version", "1.2.3"), Pair("uptime_seconds", "3600.000"),
          Pair("cpu_seconds", "12.500"), Pair("resident_bytes", "7340032"),
          Pair("scan_age_seconds", "4.000"), Pair("scan_stale", "false"),
          Pair("scan_duration_seconds", "0.031"), Pair("scan_cpu_seconds", "0.028"),
          Pair("scan_interval_seconds", "10.000"), Pair("scan_errors_total", "3"),
          Pair("stuck_after_seconds", "60.000"), Pair("pods", "5"), Pair("pods_visible", "2"),
          Pair("not_visible", "denied/1 host_network/1 no_process/1"),
          Pair("node_close_wait", "0")));
}

TEST(AgentTsv, SeesNothingInAStaleSnapshot) {
  const auto agent = agent_row(sample_snapshot(), 31s);
  EXPECT_EQ(agent.at("scan_stale"), "true");
  EXPECT_EQ(agent.at("pods_visible"), "0");
  EXPECT_EQ(agent.at("not_visible"), "stale/5");
  EXPECT_EQ(agent.at("node_close_wait"), "");
}

TEST(AgentTsv, SaysNothingOfANodeThatItCannotSee) {
  auto snapshot = sample_snapshot();
  snapshot.node.reset();
  EXPECT_EQ(agent_row(snapshot, 0s).at("node_close_wait"), "");
}

}  // namespace
}  // namespace closewatch
