// SPDX-License-Identifier: Apache-2.0
#include "page/page.h"

#include "tests/support/sample_snapshot.h"
// Not <regex>, in which g++ 12 warns of itself under -fsanitize=address.
#include <boost/regex.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "page/page_assets.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::sample_snapshot;

constexpr const char* kHostile = "<script>alert('\"&')</script>";
constexpr const char* kHostileShown = "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;";

PageFacts facts() { return {{"1.2.3", "g++", {}, {}}, "node-a", "/metrics", true}; }

std::string overview(const Snapshot& snapshot) {
  return overview_page(&snapshot, snapshot.taken_at_steady, facts());
}

/// The row of a pod, without the tags; cells apart by a bar.
std::string row_of(const std::string& page, const std::string& uid) {
  const auto begin = page.find("<tr data-key=\"" + uid + "\"");
  if (begin == std::string::npos) return "";
  auto row = page.substr(begin, page.find("</tr>", begin) - begin);
  row = boost::regex_replace(row, boost::regex("<svg.*?</svg>"), "~");
  row = boost::regex_replace(row, boost::regex("</t[hd]>"), "|");
  return boost::regex_replace(row, boost::regex("<[^>]*>"), "");
}

SocketListing listing_of(const Snapshot& snapshot, const char* space, const char* name) {
  return list_sockets(find_namesakes(snapshot, space, name), [](const Pod&, const auto&) {
    SocketOwnerList owners;
    owners.by_inode[4711] = {77, "<b>java</b>", 0};
    return owners;
  });
}

std::string page_of(const Snapshot& snapshot, const char* space, const char* name) {
  const auto listing = listing_of(snapshot, space, name);
  return pod_page(snapshot, snapshot.taken_at_steady, find_namesakes(snapshot, space, name),
                  &listing);
}

TEST(OverviewPage, TellsAPodInARowWithoutAnyScript) {
  auto snapshot = sample_snapshot();
  snapshot.pods[1].trend.record(snapshot.taken_at_steady, 1201, 30s);
  EXPECT_EQ(
      row_of(overview(snapshot), "uid-cart"),
      "cart-0shop · StatefulSet cart|1201|1000|~|2h03m|accept:1 read:100 close:1100|"
      "inbound:101 outbound:1100|10.0.0.9:443 (1000)|app|3 of 128 :8080|17|30|1260 of 4096 full in 2h15m|");
}

TEST(OverviewPage, MarksAnAcceptQueueThatIsFull) {
  auto snapshot = sample_snapshot();
  snapshot.pods[1].sums.listeners = {{1000, 0, 0}, {8080, 128, 128}};
  EXPECT_THAT(overview(snapshot), HasSubstr("<span>128 of 128</span> <small>:8080"));
  snapshot.pods[1].sums.listeners = {{1000, 0, 0}, {8080, 129, 128}};
  EXPECT_THAT(overview(snapshot), HasSubstr("<span class=\"bad\">129 of 128</span> <small>:8080"));
}

TEST(OverviewPage, TellsTheFilterWhetherTheNodeHasAny) {
  auto snapshot = sample_snapshot();
  snapshot.node->add(TcpState::kCloseWait, 7);
  EXPECT_THAT(overview(snapshot), HasSubstr("data-label=\"CLOSE_WAIT\" data-v=\"7\">7</td>"));
}

TEST(OverviewPage, HasTheWorstPodFirst) {
  const auto page = overview(sample_snapshot());
  EXPECT_LT(page.find("data-key=\"uid-cart\""), page.find("data-key=\"uid-new\""));
  EXPECT_LT(page.find("data-key=\"uid-cart\""), page.find("data-key=\"uid-proxy\""));
}

TEST(OverviewPage, SaysWhatIsNotCountedAndWhyAndGivesItNoNumber) {
  const auto page = overview(sample_snapshot());
  EXPECT_EQ(row_of(page, "uid-nameless"),
            "uid-namelessunknown|not counted (denied): CAP_SYS_ADMIN is missing|");
  EXPECT_THAT(
      page,
      HasSubstr("5 pods: 1 with 1000 stuck sockets and 30 held after their connections, 3 not"));
}

TEST(OverviewPage, ShowsNoCountsOfAStaleSnapshot) {
  const auto snapshot = sample_snapshot();
  const auto page =
      overview_page(&snapshot, snapshot.taken_at_steady + 4 * snapshot.interval, facts());
  EXPECT_THAT(page, HasSubstr("The data is old: the last scan ended at 2023-11-14 22:13:30 UTC"));
  EXPECT_THAT(page, Not(HasSubstr("1201")));
  EXPECT_EQ(row_of(page, "uid-cart"),
            "cart-0shop · StatefulSet cart|not counted (stale): the last scan is too long ago|");
}

TEST(OverviewPage, IsAPageBeforeTheFirstScan) {
  const auto page = overview_page(nullptr, {}, facts());
  EXPECT_THAT(page, HasSubstr("The first scan is not done yet"));
  EXPECT_THAT(page, HasSubstr("node-a"));
}

TEST(OverviewPage, TellsHowNodeAndAgentAre) {
  auto snapshot = sample_snapshot();
  snapshot.complaints = {"discovery: <nothing> works"};
  auto about = facts();
  about.alive = false;
  const auto page = overview_page(&snapshot, snapshot.taken_at_steady, about);
  EXPECT_THAT(page, HasSubstr("discovery: &lt;nothing&gt; works"));
  EXPECT_THAT(page, HasSubstr("The scan loop has stopped making progress"));
  EXPECT_THAT(page, HasSubstr("closewatch 1.2.3"));
  EXPECT_THAT(page, HasSubstr("<dd>metadata 1, namespace 2</dd>"));
  EXPECT_THAT(page, HasSubstr("10 s: this scan costs 0.28 % of one core"));
}

TEST(OverviewPage, ShowsHtmlInNamesAsText) {
  auto snapshot = sample_snapshot();
  auto& pod = snapshot.pods[1];
  pod.name = pod.pod_namespace = pod.uid = pod.workload = pod.workload_kind = kHostile;
  pod.diagnosis.containers[0].container = kHostile;
  pod.diagnosis.peers[0].peer = kHostile;
  snapshot.pods[0].detail = kHostile;
  snapshot.complaints = {kHostile};
  auto about = facts();
  about.node = about.telemetry_path = kHostile;
  const auto page = overview_page(&snapshot, snapshot.taken_at_steady, about);
  EXPECT_THAT(page, HasSubstr(kHostileShown));
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, Not(HasSubstr("alert('")));
  EXPECT_THAT(page,
              HasSubstr("href=\"page/pods/%3Cscript%3Ealert%28%27%22%26%27%29%3C%2Fscript%3E/"));
}

TEST(OverviewPage, DrawsTheLastHourBrokenWhereNobodyCounted) {
  auto snapshot = sample_snapshot();
  auto& trend = snapshot.pods[1].trend;
  trend.record(snapshot.taken_at_steady, 0, 30s);
  trend.record(snapshot.taken_at_steady + 1min, 10, 90s);
  trend.record(snapshot.taken_at_steady + 3min, 5, 90s);
  const auto page = overview(snapshot);
  EXPECT_THAT(page, HasSubstr("<path d=\"M56 20h0L57 0M59 10h0\"/>"));
  EXPECT_THAT(page, HasSubstr("0 at first, at most 10, 5 in this minute"));
}

TEST(OverviewPage, AHealthyPodsLineLiesAtTheBottom) {
  auto snapshot = sample_snapshot();
  snapshot.pods[3].trend.record(snapshot.taken_at_steady, 0, 30s);
  EXPECT_THAT(overview(snapshot), HasSubstr("<path d=\"M59 20h0\"/>"));
}

TEST(PodPage, TellsAllOfAPod) {
  const auto page = page_of(sample_snapshot(), "shop", "cart-0");
  EXPECT_THAT(page, HasSubstr("<h1>shop/cart-0</h1>"));
  EXPECT_THAT(page,
              HasSubstr("The 2 oldest sockets in CLOSE_WAIT, or held after it (close), of 1231"));
  EXPECT_THAT(page,
              HasSubstr("<th scope=\"row\">10.0.0.9:443</th><td class=\"breaks\">10.1.2.3:40000"
                        "</td><td class=\"breaks\">outbound</td><td class=\"breaks\">close</td>"
                        "<td class=\"number\">2h03m</td><td class=\"number\">0</td>"
                        "<td class=\"breaks\">app</td>"));
  EXPECT_THAT(page, HasSubstr("77/&lt;b&gt;java&lt;/b&gt;"));
  EXPECT_THAT(page, HasSubstr("1300 and 99, as seen between scans (68 closed, 31 held "
                              "still when looked for)"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">9090</th>"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">sidecar</th>"));
  EXPECT_THAT(page,
              HasSubstr("<th scope=\"row\">listen_overflows</th><td class=\"number\">42</td>"));
  EXPECT_THAT(page, Not(HasSubstr("listen_drops")));
}

TEST(Page, NamesTheOwnersOfWhatOtherPodsHaveMade) {
  const auto snapshot = testing::ambient_snapshot();
  EXPECT_THAT(row_of(overview(snapshot), "uid-cart"),
              HasSubstr("|app +1 istio-system/ztunnel-x7k2p/istio-proxy (10) +1|"));
  const auto listing = listing_of(snapshot, "shop", "cart-0");
  const auto page = pod_page(snapshot, snapshot.taken_at_steady,
                             find_namesakes(snapshot, "shop", "cart-0"), &listing);
  EXPECT_THAT(page, HasSubstr("ztunnel-x7k2p</th><td class=\"breaks\">istio-system</td><td "
                              "class=\"breaks\">istio-proxy</td><td class=\"number\">10</td>"));
  EXPECT_THAT(page, HasSubstr("other_pod: debug/shell/sh"));
}

TEST(PodPage, TellsEachOfThePodsThatShareAName) {
  const auto page = page_of(sample_snapshot(), "shop", "web-0");
  EXPECT_THAT(page, HasSubstr("uid uid-old"));
  EXPECT_THAT(page, HasSubstr("Not counted (no_process): no living process"));
  EXPECT_THAT(page, HasSubstr("uid uid-new"));
}

TEST(PodPage, SaysWhenSingleSocketsAreNotListed) {
  const auto snapshot = sample_snapshot();
  const auto page = pod_page(snapshot, snapshot.taken_at_steady,
                             find_namesakes(snapshot, "shop", "cart-0"), nullptr);
  EXPECT_THAT(page, HasSubstr("api.socket_detail is false"));
  EXPECT_THAT(page, Not(HasSubstr("10.1.2.3:40000")));
}

TEST(PodPage, ShowsNoCountsOfAStaleSnapshot) {
  const auto snapshot = sample_snapshot();
  const auto listing = listing_of(snapshot, "shop", "cart-0");
  const auto page = pod_page(snapshot, snapshot.taken_at_steady + 4 * snapshot.interval,
                             find_namesakes(snapshot, "shop", "cart-0"), &listing);
  EXPECT_THAT(page, HasSubstr("Not counted (stale)"));
  EXPECT_THAT(page, Not(HasSubstr("1201")));
  EXPECT_THAT(page, Not(HasSubstr("10.0.0.9")));
}

TEST(Page, HasRelativeAddressesOnlyAndNothingInline) {
  const auto snapshot = sample_snapshot();
  for (const auto& page : {overview(snapshot), page_of(snapshot, "shop", "cart-0")}) {
    const boost::regex address("(href|src|action)=\"([^\"]*)\"");
    for (boost::sregex_iterator at(page.begin(), page.end(), address), end; at != end; ++at) {
      EXPECT_THAT((*at)[2].str(),
                  Not(::testing::AnyOf(::testing::StartsWith("/"), HasSubstr(":"))));
    }
    EXPECT_FALSE(
        boost::regex_search(page, boost::regex("<style|\\sstyle=|\\son[a-z]+=|<script[^>]*>[^<]")));
  }
  for (const auto asset : {page_css(), page_js(), frame_html()}) {
    EXPECT_THAT(std::string(asset), Not(HasSubstr("://")));
    EXPECT_THAT(std::string(asset), Not(HasSubstr("innerHTML")));
  }
}

}  // namespace
}  // namespace closewatch
