// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "tests/support/fake_tree.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/settings/config_file.h"
#include "closewatch/settings/option_table.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(OptionTable, DefaultsAreInRange) {
  for (const auto& option : option_table()) {
    Config config;
    EXPECT_TRUE(option.set(config, option.initial)) << option.name;
  }
  EXPECT_EQ(default_config().scan.interval, 10s);
  EXPECT_EQ(default_config().scan.cpu_budget, 0.01);
  EXPECT_THAT(default_config().web.listen_addresses, ElementsAre(http::ListenAddress{"", 10088}));
  EXPECT_EQ(default_config().web.health_address, std::nullopt);
}

TEST(ConfigText, SetsWhatItSays) {
  auto config = default_config();
  const auto mistakes = apply_config_text(
      "scan:\n  interval: 30s\n  cpu_budget: 0.5\npods: {discovery: standalone}\n"
      "web:\n  listen-address: '[::1]:9'\nlog:\n  format: json\n  level: debug\n"
      "paths:\n  proc: /host/proc\n",
      "c.yaml", config);
  EXPECT_THAT(mistakes, IsEmpty());
  EXPECT_EQ(config.scan.interval, 30s);
  EXPECT_EQ(config.scan.cpu_budget, 0.5);
  EXPECT_EQ(config.pods.discovery, PodDiscovery::kStandalone);
  EXPECT_THAT(config.web.listen_addresses, ElementsAre(http::ListenAddress{"::1", 9}));
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
  EXPECT_EQ(config.paths.proc, "/host/proc");
  EXPECT_EQ(config.paths.cgroup, "/sys/fs/cgroup");
}

TEST(ConfigText, TakesListsByCommasAndAsYaml) {
  for (
      const auto* const text :
      {"pods: {namespaces: {exclude: 'kube-*, shop'}}\nmetrics: {without: closewatch_pod_sockets/closing}\n",
       "pods:\n  namespaces:\n    exclude: [kube-*, shop]\nmetrics:\n  without:\n  - closewatch_pod_sockets/closing\n"}) {
    auto config = default_config();
    EXPECT_THAT(apply_config_text(text, "c.yaml", config), IsEmpty());
    EXPECT_TRUE(config.pods.namespaces.leaves_out("kube-system"));
    EXPECT_TRUE(config.pods.namespaces.leaves_out("shop"));
    EXPECT_FALSE(config.pods.namespaces.leaves_out("bank"));
    EXPECT_TRUE(config.metrics.without.leaves_out(TcpState::kClosing));
  }
}

TEST(ConfigText, TcpEventsAreAListOfThoseThatAreKnown) {
  auto config = default_config();
  EXPECT_TRUE(config.pods.tcp_events.has(TcpEvent::kListenDrops));
  EXPECT_FALSE(config.pods.tcp_events.has(TcpEvent::kAbortsOnClose));
  EXPECT_TRUE(
      apply_config_text("pods: {tcp_events: [aborts_on_close]}\n", "c.yaml", config).empty());
  EXPECT_TRUE(config.pods.tcp_events.has(TcpEvent::kAbortsOnClose));
  EXPECT_FALSE(config.pods.tcp_events.has(TcpEvent::kListenDrops));
  for (const auto* const none : {"pods: {tcp_events: []}\n", "pods: {tcp_events: \"\"}\n"}) {
    EXPECT_TRUE(apply_config_text(none, "c.yaml", config).empty()) << none;
    EXPECT_FALSE(config.pods.tcp_events.any()) << none;
  }
  const auto mistakes = apply_config_text("pods: {tcp_events: [moons]}\n", "c.yaml", config);
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_THAT(
      mistakes.front(),
      HasSubstr(
          "c.yaml:1: pods.tcp_events: 'moons' is no TCP event; known are listen_overflows, "));
}

TEST(ConfigText, NamesWhatIsWrongInAList) {
  for (const auto* const text :
       {"pods: {namespaces: {exclude: [a, {b: c}]}}\n", "pods: {namespaces: {exclude: ['a,b']}}\n",
        "pods: {namespaces: {exclude: [A]}}\n", "pods: {namespaces: {exclude: {a: b}}}\n",
        "metrics: {without: [closewatch_pod_info]}\n", "metrics: {without: moon}\n"}) {
    auto config = default_config();
    const auto mistakes = apply_config_text(text, "c.yaml", config);
    ASSERT_EQ(mistakes.size(), 1U) << text;
    EXPECT_THAT(mistakes.front(), HasSubstr("a list of ")) << text;
  }
}

TEST(ConfigText, MayBeEmpty) {
  auto config = default_config();
  EXPECT_THAT(apply_config_text("", "c.yaml", config), IsEmpty());
  EXPECT_THAT(apply_config_text("# nothing\n", "c.yaml", config), IsEmpty());
  EXPECT_THAT(apply_config_text("scan:\n", "c.yaml", config), IsEmpty());
}

TEST(ConfigText, TakesTheEndsOfEachRangeOfTheDiagnosis) {
  auto config = default_config();
  EXPECT_THAT(apply_config_text("diagnosis: {stuck_after: 1s, peers: 0}\n", "c.yaml", config),
              IsEmpty());
  EXPECT_EQ(config.diagnosis.stuck_after, 1s);
  EXPECT_EQ(config.diagnosis.peers, 0U);
  EXPECT_THAT(apply_config_text("diagnosis: {stuck_after: 24h, peers: 100}\n", "c.yaml", config),
              IsEmpty());
  EXPECT_EQ(config.diagnosis.stuck_after, 24h);
  EXPECT_EQ(config.diagnosis.peers, 100U);
}

struct Mistake {
  const char* name;
  const char* yaml;
  const char* says;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class ConfigMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistake, NamesFileLineAndKey) {
  auto config = default_config();
  EXPECT_THAT(apply_config_text(GetParam().yaml, "c.yaml", config),
              ElementsAre(HasSubstr(GetParam().says)));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ConfigMistake,
    ::testing::Values(
        Mistake{"Typo", "scan:\n  intervall: 10s\n",
                "c.yaml:2: scan.intervall: unknown key; known here: interval, cpu_budget"},
        Mistake{"UnknownSection", "\nscam:\n  interval: 10s\n",
                "c.yaml:2: scam: unknown key; known here: scan, diagnosis, api, pods, "
                "metrics, metadata, paths, web, log"},
        Mistake{"UnknownSectionInSection", "scan:\n  deep:\n    interval: 1s\n",
                "c.yaml:2: scan.deep: unknown key"},
        Mistake{"NoUnit", "scan:\n  interval: 10\n",
                "c.yaml:2: scan.interval: '10' is not a duration from 1s to 1h"},
        Mistake{"Word", "scan:\n  cpu_budget: lots\n",
                "c.yaml:2: scan.cpu_budget: 'lots' is not a number from 0.0001 to 1"},
        Mistake{"NotANumber", "scan:\n  cpu_budget: nan\n", "c.yaml:2: scan.cpu_budget: 'nan'"},
        Mistake{"List", "scan:\n  interval: [1s]\n",
                "c.yaml:2: scan.interval: must be a duration from 1s to 1h"},
        Mistake{"Empty", "scan:\n  interval:\n", "c.yaml:2: scan.interval: must be"},
        Mistake{"SectionIsAWord", "scan: fast\n", "c.yaml:1: scan: must hold keys: interval"},
        Mistake{"TooShort", "scan:\n  interval: 999ms\n", "c.yaml:2: scan.interval: '999ms'"},
        Mistake{"TooLong", "scan:\n  interval: 61m\n", "c.yaml:2: scan.interval: '61m'"},
        Mistake{"Negative", "scan:\n  interval: -5s\n", "c.yaml:2: scan.interval: '-5s'"},
        Mistake{"TooMuch", "\n\nscan:\n  cpu_budget: 1.5\n", "c.yaml:4: scan.cpu_budget: '1.5'"},
        Mistake{"Nothing", "scan:\n  cpu_budget: 0\n", "c.yaml:2: scan.cpu_budget: '0'"},
        Mistake{"StuckAfterTooShort", "diagnosis:\n  stuck_after: 999ms\n",
                "c.yaml:2: diagnosis.stuck_after: '999ms' is not a duration from 1s to 24h"},
        Mistake{"StuckAfterTooLong", "diagnosis:\n  stuck_after: 1441m\n",
                "c.yaml:2: diagnosis.stuck_after: '1441m'"},
        Mistake{"PeersTooMany", "diagnosis:\n  peers: 101\n",
                "c.yaml:2: diagnosis.peers: '101' is not a whole number from 0 to 100"},
        Mistake{"PeersNotWhole", "diagnosis:\n  peers: 2.5\n", "c.yaml:2: diagnosis.peers: '2.5'"},
        Mistake{"PeersNegative", "diagnosis:\n  peers: -1\n", "c.yaml:2: diagnosis.peers: '-1'"},
        Mistake{"PeersNoNumber", "diagnosis:\n  peers: nan\n", "c.yaml:2: diagnosis.peers: 'nan'"},
        Mistake{"Choice", "log:\n  level: loud\n",
                "c.yaml:2: log.level: 'loud' is not one of debug, info, warn, error"},
        Mistake{"RelativePath", "paths:\n  proc: proc\n",
                "c.yaml:2: paths.proc: 'proc' is not an absolute path"},
        Mistake{"TakenPath", "web:\n  telemetry-path: /healthz\n",
                "c.yaml:2: web.telemetry-path: '/healthz' is not an absolute path but"},
        Mistake{"TakenDirectory", "web:\n  telemetry-path: /page/x\n",
                "c.yaml:2: web.telemetry-path: '/page/x' is not an absolute path but"},
        Mistake{"Address", "web:\n  listen-address: localhost:80\n",
                "c.yaml:2: web.listen-address: 'localhost:80' is no address"},
        Mistake{"Token", "web:\n  kubernetes-auth: on\n",
                "c.yaml:2: web.kubernetes-auth: 'on' is not true or false"},
        Mistake{"Audience", "web:\n  kubernetes-audiences: 'a,,b'\n",
                "c.yaml:2: web.kubernetes-audiences: 'a,,b' is not a list of audiences"},
        Mistake{"AudienceWithBlank", "web:\n  kubernetes-audiences: 'a b'\n",
                "c.yaml:2: web.kubernetes-audiences: 'a b'"},
        Mistake{"Twice", "scan:\n  interval: 1s\n  interval: 2s\n",
                "c.yaml:3: scan.interval: is given twice"},
        Mistake{"TwoDocuments", "scan: {interval: 5s}\n---\nfoo: 3\n",
                "c.yaml:3: a second document"},
        Mistake{"NoText", "scan:\n  \"\\e[2J\\n\": 1\n", "c.yaml:2: scan.?[2J?: unknown key"},
        Mistake{"NoMap", "- 1\n", "c.yaml:1: must hold keys"},
        Mistake{"NoYaml", "scan:\n  a: [\n", "c.yaml:3: no valid YAML"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Config, StretchesTheIntervalToAMinuteUnlessToldOtherwise) {
  auto config = default_config();
  EXPECT_EQ(config.scan.longest_interval(), 60s);
  EXPECT_THAT(apply_config_text("scan: {interval: 2m}", "c.yaml", config), IsEmpty());
  EXPECT_EQ(config.scan.longest_interval(), 120s);
  EXPECT_TRUE(check_together(config));
  EXPECT_THAT(apply_config_text("scan: {max_interval: 5m}", "c.yaml", config), IsEmpty());
  EXPECT_EQ(config.scan.longest_interval(), 300s);
  EXPECT_TRUE(check_together(config));
}

TEST(Config, RefusesALongestIntervalThatIsLessThanTheShortest) {
  auto config = default_config();
  EXPECT_THAT(apply_config_text("scan: {max_interval: 9s}", "c.yaml", config), IsEmpty());
  const auto together = check_together(config);
  ASSERT_FALSE(together);
  EXPECT_THAT(together.error().what,
              HasSubstr("scan.max_interval: 9s is less than scan.interval, 10s"));
}

TEST(Config, AsksTheApiServerAboutTokensOrNotAtAll) {
  auto config = default_config();
  EXPECT_FALSE(config.web.kubernetes_auth);
  EXPECT_THAT(config.web.kubernetes_audiences, IsEmpty());
  EXPECT_THAT(
      apply_config_text("web: {kubernetes-auth: true, kubernetes-audiences: [a, 'https://b']}",
                        "c.yaml", config),
      IsEmpty());
  EXPECT_TRUE(config.web.kubernetes_auth);
  EXPECT_THAT(config.web.kubernetes_audiences, ElementsAre("a", "https://b"));
  EXPECT_TRUE(check_together(config));
  EXPECT_THAT(apply_config_text("metadata: {source: logs}", "c.yaml", config), IsEmpty());
  const auto together = check_together(config);
  ASSERT_FALSE(together);
  EXPECT_THAT(together.error().what,
              HasSubstr("web.kubernetes-auth: it asks the API server, which metadata.source logs"));
}

TEST(ConfigText, TellsEveryMistakeAtOnce) {
  auto config = default_config();
  EXPECT_EQ(apply_config_text("scan:\n  a: 1\n  b: 2\nlog:\n  level: x\n", "c.yaml", config).size(),
            3U);
}

TEST(ConfigText, EndsWhateverItBeginsWith) {
  for (const auto* const text : {",", ",scan: {}", ", ,", "]", "}", "? ,", "- ,", "--- ,", "...\n,",
                                 "%\n,", "scan:\n  ,interval: 1s"}) {
    auto config = default_config();
    EXPECT_THAT(apply_config_text(text, "c.yaml", config), Not(IsEmpty())) << text;
  }
}

TEST(ConfigFile, IsNoPipe) {
  const testing::FakeTree tree;
  ASSERT_EQ(::mkfifo(tree.path("pipe").c_str(), 0600), 0);
  auto config = default_config();
  EXPECT_THAT(apply_config_file(tree.path("pipe"), config),
              ElementsAre(HasSubstr("is no regular file")));
}

TEST(ConfigFile, SaysWhenItCannotBeRead) {
  auto config = default_config();
  EXPECT_THAT(apply_config_file("/nowhere/c.yaml", config),
              ElementsAre(HasSubstr("/nowhere/c.yaml: No such file")));
}

}  // namespace
}  // namespace closewatch
