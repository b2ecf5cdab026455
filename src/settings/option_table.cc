// SPDX-License-Identifier: Apache-2.0
#include "closewatch/settings/option_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "closewatch/base/comma_separated.h"
#include "closewatch/base/seconds.h"
#include "closewatch/base/whole_number.h"
#include "closewatch/kubernetes/object_name.h"

namespace closewatch {
namespace {

using std::chrono::nanoseconds;

tl::unexpected<Error> refuse(std::string_view text, std::string_view takes) {
  return fail(ErrorKind::kMalformed, "'" + std::string(text) + "' is not " + std::string(takes));
}

/// "250ms", "10s", "5m", "1h": a whole number and its unit.
std::optional<nanoseconds> parse_duration(std::string_view text) {
  constexpr std::uint32_t kSane = 1'000'000;  // keeps every unit clear of overflow
  const auto number = take_number<std::uint32_t>(text);
  if (!number || *number > kSane) return std::nullopt;
  if (text == "ms") return std::chrono::milliseconds(*number);
  if (text == "s") return std::chrono::seconds(*number);
  if (text == "m") return std::chrono::minutes(*number);
  if (text == "h") return std::chrono::hours(*number);
  return std::nullopt;
}

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

template <typename Value, std::size_t N>
Result<void> choose(Value& target, std::string_view text, std::string_view takes,
                    const std::array<std::pair<std::string_view, Value>, N>& choices) {
  for (const auto& [name, value] : choices) {
    if (name == text) {
      target = value;
      return {};
    }
  }
  return refuse(text, takes);
}

Result<void> set_path(std::string& target, std::string_view text) {
  if (!text.starts_with('/')) return refuse(text, "an absolute path");
  target = text;
  return {};
}

constexpr std::string_view kInterval = "a duration from 1s to 1h";
constexpr std::string_view kBudget = "a number from 0.0001 to 1";
constexpr std::string_view kStuckAfter = "a duration from 1s to 24h";
constexpr std::string_view kMaxInterval = "a duration from 1s to 1h, or nothing";
constexpr std::string_view kPeers = "a whole number from 0 to 100";
constexpr std::string_view kHeldSockets = "one of auto, off";
constexpr std::string_view kBoolean = "true or false";
constexpr std::string_view kDiscovery = "one of auto, kubernetes, standalone";
constexpr std::string_view kEngine = "one of auto, inet_diag, bpf, procfs";
constexpr std::string_view kNamespaces =
    "a list of namespaces by commas, NAME or PREFIX* each, or nothing";
constexpr std::string_view kEventList =
    "a list of TCP events by commas, or nothing; docs/metrics.md has them all";
constexpr std::string_view kMetrics =
    "a list of metrics of pods by commas, or nothing; closewatch_pod_sockets/STATE is one of them";
constexpr std::string_view kMetadata = "one of auto, api, logs";
constexpr std::string_view kNodeName = "the name of a node, or nothing";
constexpr std::string_view kApiServer = "an address: HOST:PORT or [IPv6]:PORT, or nothing";
constexpr std::string_view kPath = "an absolute path";
constexpr std::string_view kTelemetryPath =
    "an absolute path but /, /healthz, /readyz, /api/... and /page/...";
constexpr std::string_view kHosts =
    "a list of names of hosts by commas, NAME or *.SUFFIX each, or nothing";
constexpr std::string_view kAddresses =
    "a list of addresses by commas: :PORT, IP:PORT, [IPv6]:PORT or unix:/PATH each";
constexpr std::string_view kAddress =
    "an address: :PORT, IP:PORT, [IPv6]:PORT or unix:/PATH, or nothing";
constexpr std::string_view kAudiences =
    "a list of audiences by commas, or nothing; none has blanks";
constexpr std::string_view kFileOrNothing = "a path, or nothing";
constexpr std::string_view kLevel = "one of debug, info, warn, error";
constexpr std::string_view kFormat = "one of text, json";

Result<void> set_interval(Config& config, std::string_view text) {
  using namespace std::chrono_literals;
  const auto duration = parse_duration(text);
  if (!duration || *duration < 1s || *duration > 1h) return refuse(text, kInterval);
  config.scan.interval = *duration;
  return {};
}

Result<void> set_max_interval(Config& config, std::string_view text) {
  using namespace std::chrono_literals;
  config.scan.max_interval.reset();
  if (text.empty()) return {};
  const auto duration = parse_duration(text);
  if (!duration || *duration < 1s || *duration > 1h) return refuse(text, kMaxInterval);
  config.scan.max_interval = *duration;
  return {};
}

Result<void> set_cpu_budget(Config& config, std::string_view text) {
  constexpr double kLeast = 0.0001;
  const auto number = parse_number(text);
  if (!number || !(*number >= kLeast && *number <= 1)) return refuse(text, kBudget);
  config.scan.cpu_budget = *number;
  return {};
}

Result<void> set_engine(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, EngineChoice>, 4> kChoices = {{
      {"auto", EngineChoice::kAuto},
      {"inet_diag", EngineChoice::kInetDiag},
      {"bpf", EngineChoice::kBpf},
      {"procfs", EngineChoice::kProcfs},
  }};
  return choose(config.scan.engine, text, kEngine, kChoices);
}

Result<void> set_stuck_after(Config& config, std::string_view text) {
  using namespace std::chrono_literals;
  const auto duration = parse_duration(text);
  if (!duration || *duration < 1s || *duration > 24h) return refuse(text, kStuckAfter);
  config.diagnosis.stuck_after = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
  return {};
}

Result<void> set_peers(Config& config, std::string_view text) {
  constexpr std::size_t kMost = 100;
  const auto number = whole_number<std::size_t>(text);
  if (!number || *number > kMost) return refuse(text, kPeers);
  config.diagnosis.peers = *number;
  return {};
}

Result<void> set_held_sockets(Config& config, std::string_view text) {
  // Helm's YAML takes off for false.
  constexpr std::array<std::pair<std::string_view, bool>, 3> kChoices = {
      {{"auto", true}, {"off", false}, {"false", false}}};
  return choose(config.diagnosis.held_sockets, text, kHeldSockets, kChoices);
}

Result<void> set_boolean(bool& target, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, bool>, 2> kChoices = {
      {{"true", true}, {"false", false}}};
  return choose(target, text, kBoolean, kChoices);
}

Result<void> set_socket_detail(Config& config, std::string_view text) {
  return set_boolean(config.api.socket_detail, text);
}

Result<void> set_kubernetes_auth(Config& config, std::string_view text) {
  return set_boolean(config.web.kubernetes_auth, text);
}

Result<void> set_discovery(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, PodDiscovery>, 3> kChoices = {{
      {"auto", PodDiscovery::kAuto},
      {"kubernetes", PodDiscovery::kKubernetes},
      {"standalone", PodDiscovery::kStandalone},
  }};
  return choose(config.pods.discovery, text, kDiscovery, kChoices);
}

/// What was made of a list, if anything.
template <typename List>
Result<void> set_list(List& target, Result<List> list, std::string_view takes) {
  if (!list) {
    return fail(ErrorKind::kMalformed, list.error().what + "; it takes " + std::string(takes));
  }
  target = std::move(*list);
  return {};
}

Result<void> set_metadata_source(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, MetadataChoice>, 3> kChoices = {{
      {"auto", MetadataChoice::kAuto},
      {"api", MetadataChoice::kApi},
      {"logs", MetadataChoice::kLogs},
  }};
  return choose(config.metadata.source, text, kMetadata, kChoices);
}

Result<void> set_node(Config& config, std::string_view text) {
  if (!text.empty() && !is_object_name(text)) return refuse(text, kNodeName);
  config.metadata.node = text;
  return {};
}

Result<void> set_api_server(Config& config, std::string_view text) {
  const auto colon = text.rfind(':');
  const bool has_both = colon != std::string_view::npos && colon > 0 && colon + 1 < text.size();
  if (!text.empty() && !has_both) return refuse(text, kApiServer);
  config.metadata.api_server = text;
  return {};
}

Result<void> set_kubernetes_audiences(Config& config, std::string_view text) {
  config.web.kubernetes_audiences.clear();
  if (text.empty()) return {};
  for (const auto audience : comma_separated(text)) {
    const bool is_plain =
        std::all_of(audience.begin(), audience.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (audience.empty() || !is_plain) return refuse(text, kAudiences);
    config.web.kubernetes_audiences.emplace_back(audience);
  }
  return {};
}

Result<void> set_telemetry_path(Config& config, std::string_view text) {
  for (const std::string_view taken : {"/", "/healthz", "/readyz"}) {
    if (text == taken) return refuse(text, kTelemetryPath);
  }
  for (const std::string directory : {"/api", "/page"}) {
    if (text == directory || text.starts_with(directory + "/")) return refuse(text, kTelemetryPath);
  }
  return set_path(config.web.telemetry_path, text);
}

Result<void> set_allowed_hosts(Config& config, std::string_view text) {
  auto names = http::HostNames::parse(text);
  if (!names) return tl::unexpected(names.error());
  config.web.allowed_hosts = std::move(*names);
  return {};
}

Result<void> set_listen_addresses(Config& config, std::string_view text) {
  return set_list(config.web.listen_addresses, http::parse_listen_addresses(text), kAddresses);
}

Result<void> set_health_address(Config& config, std::string_view text) {
  config.web.health_address.reset();
  if (text.empty()) return {};
  auto address = http::parse_listen_address(text);
  if (!address) return tl::unexpected(address.error());
  config.web.health_address = std::move(*address);
  return {};
}

Result<void> set_log_level(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kChoices = {{
      {"debug", LogLevel::kDebug},
      {"info", LogLevel::kInfo},
      {"warn", LogLevel::kWarn},
      {"error", LogLevel::kError},
  }};
  return choose(config.log.level, text, kLevel, kChoices);
}

Result<void> set_log_format(Config& config, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, LogFormat>, 2> kChoices = {{
      {"text", LogFormat::kText},
      {"json", LogFormat::kJson},
  }};
  return choose(config.log.format, text, kFormat, kChoices);
}

constexpr auto kOptions = std::to_array<Option>({
    {"scan.interval", kInterval, "10s",
     "Time between the starts of two scans, as long as they stay under the budget.", set_interval},
    {"scan.cpu_budget", kBudget, "0.01",
     "What scans may cost over five minutes, as a share of one CPU core. The interval is stretched to keep to it. "
     "Looking for the processes of sockets, when somebody asks, may cost as much again.",
     set_cpu_budget},
    {"scan.max_interval", kMaxInterval, "",
     "How far the interval is stretched at most: beyond it scans cost more than the budget. Empty takes "
     "60s, or `scan.interval` where that is longer.",
     set_max_interval},
    {"scan.engine", kEngine, "auto",
     "What reads the sockets: inet_diag namespace by namespace, bpf in one walk for all of them, procfs as "
     "text and without any capability. Where bpf cannot be had, inet_diag is taken, else procfs. auto begins "
     "with inet_diag, goes over to bpf once scans take more than a tenth of the budget, and has inet_diag "
     "check it.",
     set_engine},
    {"diagnosis.stuck_after", kStuckAfter, "60s",
     "How long a socket must have been in CLOSE_WAIT to count as stuck.", set_stuck_after},
    {"diagnosis.peers", kPeers, "3",
     "How many peers of a pod are named, those with most stuck sockets first; 0 names none.",
     set_peers},
    {"diagnosis.held_sockets", kHeldSockets, "auto",
     "Whether sockets are looked for whose connections are over while a process holds their "
     "descriptors, among all open files of the machine, every 60 s or less often to keep to the "
     "budget. auto: where the kernel lets a program of the agent do it.",
     set_held_sockets},
    {"api.socket_detail", kBoolean, "true",
     "Whether `/api/v1/pods/{namespace}/{pod}/sockets` lists single sockets: the 500 oldest in "
     "CLOSE_WAIT of a pod.",
     set_socket_detail},
    {"pods.discovery", kDiscovery, "auto",
     "What counts as a pod: the pods of Kubernetes, or every network namespace of the machine. "
     "auto takes Kubernetes where a kubelet's cgroups are.",
     set_discovery},
    {"pods.namespaces.include", kNamespaces, "",
     "Of which namespaces pods are counted; empty counts all. The others are not visible, with the "
     "reason `excluded`.",
     [](Config& config, std::string_view text) {
       return set_list(config.pods.namespaces.include, NamePatterns::parse(text), kNamespaces);
     }},
    {"pods.namespaces.exclude", kNamespaces, "", "Of which of these they are not.",
     [](Config& config, std::string_view text) {
       return set_list(config.pods.namespaces.exclude, NamePatterns::parse(text), kNamespaces);
     }},
    {"pods.tcp_events", kEventList,
     "listen_overflows,listen_drops,retransmission_timeouts,failed_attempts,established_resets,"
     "resets_sent",
     "Which of the events that the kernel counts in each network namespace are told of pods, every "
     "30 s, or up to two minutes apart where many pods make that dear. Empty reads none.",
     [](Config& config, std::string_view text) {
       return set_list(config.pods.tcp_events, TcpEventSet::parse(text), kEventList);
     }},
    {"metrics.without", kMetrics, "",
     "What the metrics do not tell of pods. How many series that saves is in "
     "`closewatch_excluded_series`; API and page tell all.",
     [](Config& config, std::string_view text) {
       return set_list(config.metrics.without, MetricFilter::parse(text), kMetrics);
     }},
    {"metadata.source", kMetadata, "auto",
     "Where pods' names come from: the API server (with the workload), or the kubelet's log directories "
     "alone. auto takes the API server where a service account's token is mounted and the node's "
     "name is given.",
     set_metadata_source},
    {"metadata.node", kNodeName, "",
     "The name of this node in Kubernetes (`spec.nodeName`): the API server is asked for its pods "
     "only.",
     set_node},
    {"metadata.api_server", kApiServer, "",
     "Where the API server is; empty takes `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` "
     "from the environment.",
     set_api_server},
    {"paths.proc", kPath, "/proc", "The host's /proc.",
     [](Config& config, std::string_view text) { return set_path(config.paths.proc, text); }},
    {"paths.cgroup", kPath, "/sys/fs/cgroup", "The host's cgroup tree: v2, v1 or both.",
     [](Config& config, std::string_view text) { return set_path(config.paths.cgroup, text); }},
    {"paths.pod_logs", kPath, "/var/log/pods",
     "The kubelet's directory that tells the pods' names.",
     [](Config& config, std::string_view text) { return set_path(config.paths.pod_logs, text); }},
    {"paths.container_logs", kPath, "/var/log/containers",
     "The kubelet's directory that tells the containers' names.",
     [](Config& config, std::string_view text) {
       return set_path(config.paths.container_logs, text);
     }},
    {"paths.netns", kPath, "/run/netns", "Where `ip netns` mounts named network namespaces.",
     [](Config& config, std::string_view text) { return set_path(config.paths.netns, text); }},
    {"paths.service_account", kPath, "/var/run/secrets/kubernetes.io/serviceaccount",
     "The directory with the `token` and the `ca.crt` that the API server is asked with.",
     [](Config& config, std::string_view text) {
       return set_path(config.paths.service_account, text);
     }},
    {"web.listen-address", kAddresses, ":10088",
     "Where the HTTP server listens. A UNIX socket is root's alone; `get` and `top` go there, if "
     "there is one. Sockets that the service manager hands over (LISTEN_FDS) stand in for all.",
     set_listen_addresses},
    {"web.health-address", kAddress, "",
     "Where `/healthz` and `/readyz` are given and nothing else: to probes, that need not come to the "
     "other addresses then.",
     set_health_address},
    {"web.config.file", kFileOrNothing, "",
     "A web configuration file as the Prometheus exporter-toolkit documents it: TLS, client certificates, "
     "users and passwords, headers, a limit of requests. Empty: plain HTTP for everybody.",
     [](Config& config, std::string_view text) {
       config.web.config_file = text;
       return Result<void>();
     }},
    {"web.kubernetes-auth", kBoolean, "false",
     "Let in, beside users of `web.config.file`, who shows a bearer token whose owner may `get` the path as a "
     "non-resource URL, by TokenReview and SubjectAccessReview. The agent's service account needs the "
     "ClusterRole system:auth-delegator. Not with `metadata.source: logs`.",
     set_kubernetes_auth},
    {"web.kubernetes-audiences", kAudiences, "",
     "For whom such a token must have been made. Empty: for the API server, as a pod's own is.",
     set_kubernetes_audiences},
    {"web.telemetry-path", kTelemetryPath, "/metrics", "The path of the metrics.",
     set_telemetry_path},
    {"web.allowed-hosts", kHosts, "",
     "By which names the agent may be asked, beside addresses, localhost, its node's and its own name, "
     "names without a dot, those below .svc and .svc.cluster.local, and those in the API server's "
     "certificate: an Ingress's, for example. Other names get a 421, so that no page of another "
     "site reads through somebody's browser.",
     set_allowed_hosts},
    {"log.level", kLevel, "info", "The least severe messages to log.", set_log_level},
    {"log.format", kFormat, "text", "How to log, on standard error.", set_log_format},
});

}  // namespace

Result<void> check_together(const Config& config) {
  if (config.web.kubernetes_auth && config.metadata.source == MetadataChoice::kLogs) {
    return fail(
        ErrorKind::kMalformed,
        "web.kubernetes-auth: it asks the API server, which metadata.source logs never does; "
        "set metadata.source to auto or api, or web.kubernetes-auth to false");
  }
  const auto& longest = config.scan.max_interval;
  if (!longest || *longest >= config.scan.interval) return {};
  return fail(ErrorKind::kMalformed,
              fmt::format("scan.max_interval: {:g}s is less than scan.interval, {:g}s; make it as "
                          "long at least, or leave it out",
                          seconds(*longest), seconds(config.scan.interval)));
}

bool takes_list(const Option& option) { return option.takes.starts_with("a list "); }

std::span<const Option> option_table() { return kOptions; }

Config default_config() {
  Config config;
  // The table's own defaults are in range: a unit test sets every one.
  for (const auto& option : kOptions) (void)option.set(config, option.initial);
  return config;
}

}  // namespace closewatch
