// SPDX-License-Identifier: Apache-2.0
#include "closewatch/metrics/prometheus_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "closewatch/base/seconds.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/metrics/metric_table.h"
#include "closewatch/present/pod_summary.h"
#include "closewatch/present/shown.h"
#include "closewatch/scan/namesakes.h"
#include "closewatch/web/web_facts.h"

namespace closewatch {
namespace {

constexpr std::size_t kUsualSampleLength = 128;

using Labels = std::vector<prometheus::ClientMetric::Label>;

prometheus::ClientMetric::Label label(const char* name, std::string_view value) {
  return {name, std::string(value)};
}

template <typename Clock>
double unix_seconds(std::chrono::time_point<Clock> time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// All families of the table, filled sample by sample.
class Exposition {
 public:
  explicit Exposition(const MetricFilter& without) : without_(without), families_(kMetricCount) {
    for (std::size_t i = 0; i < kMetricCount; ++i) {
      const auto& description = describe(static_cast<Metric>(i));
      families_[i].name = description.name;
      families_[i].help = description.help;
      families_[i].type = description.kind == MetricKind::kCounter ? prometheus::MetricType::Counter
                                                                   : prometheus::MetricType::Gauge;
    }
  }

  /// Whether a series of a pod is wanted. Asked once for each, before its labels are made: those
  /// that are not are counted.
  [[nodiscard]] bool wants(Metric metric) {
    if (!without_.leaves_out(metric)) return true;
    ++left_out_.at(static_cast<std::size_t>(metric));
    return false;
  }
  /// Likewise of closewatch_pod_sockets.
  [[nodiscard]] bool wants(TcpState state) {
    if (!without_.leaves_out(state)) return wants(Metric::kPodSockets);
    ++left_out_.at(static_cast<std::size_t>(Metric::kPodSockets));
    return false;
  }

  template <typename Number>
  void add(Metric metric, Labels labels, Number value) {
    auto& family = families_.at(static_cast<std::size_t>(metric));
    auto& sample = family.metric.emplace_back();
    sample.label = std::move(labels);
    const auto number = static_cast<double>(value);
    if (family.type == prometheus::MetricType::Counter) {
      sample.counter.value = number;
    } else {
      sample.gauge.value = number;
    }
  }

  [[nodiscard]] std::string text() && {
    for (std::size_t i = 0; i < kMetricCount; ++i) {
      if (left_out_[i] == 0) continue;
      add(Metric::kExcludedSeries, {label("metric", describe(static_cast<Metric>(i)).name)},
          left_out_[i]);
    }
    std::erase_if(families_, [](const auto& family) { return family.metric.empty(); });
    std::size_t samples = 0;
    for (const auto& family : families_) samples += family.metric.size();
    // Neither grown nor copied: the text is what a scrape costs most.
    std::string room;
    room.reserve(samples * kUsualSampleLength);
    std::ostringstream text(std::move(room));
    prometheus::TextSerializer().Serialize(text, families_);
    return std::move(text).str();
  }

 private:
  const MetricFilter& without_;
  std::array<std::size_t, kMetricCount> left_out_{};
  std::vector<prometheus::MetricFamily> families_;
};

/// As they stand between the braces of a sample.
std::string escaped(Labels labels) {
  prometheus::MetricFamily family{.name = "x", .help = {}, .type = {}, .metric = {}};
  family.metric.emplace_back().label = std::move(labels);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, {family});
  const auto line = std::move(text).str();
  const auto open = line.find('{') + 1;
  return line.substr(open, line.rfind('}') - open);
}

/// Those of a pod, which are in front of each of its dozens of samples. The library writes a value
/// character by character and a name as it is, so they are escaped once and stand in the name of
/// the label behind them: a third of what a text costs.
class PodLabels {
 public:
  explicit PodLabels(const PodSnapshot& pod)
      : pod_(label("pod", pod.name)), front_(escaped({label("namespace", pod.pod_namespace)})) {
    front_ += ',';
    whole_ = front_;
    whole_.append(escaped({pod_})).append(",");
    pod_.name.insert(0, front_);
  }

  /// No others.
  [[nodiscard]] Labels alone() const { return {pod_}; }

  template <typename... More>
  [[nodiscard]] Labels with(prometheus::ClientMetric::Label next, More... more) const {
    next.name.insert(0, whole_);
    Labels all;
    all.reserve(1 + sizeof...(more));
    all.push_back(std::move(next));
    (all.push_back(std::move(more)), ...);
    return all;
  }

 private:
  prometheus::ClientMetric::Label pod_;
  std::string front_;
  std::string whole_;
};

/// What namesakes come to together.
struct Together {
  SocketSums sums;
  Diagnosis diagnosis;
  std::vector<ContainerDescriptors> descriptors;
  std::optional<HeldDiagnosis> held;         ///< known of all of them
  std::optional<TcpEventCounts> tcp_events;  ///< likewise
};

/// nullopt where they are not known of one that was counted.
std::optional<TcpEventCounts> events_of(Namesakes pods) {
  std::optional<TcpEventCounts> events;
  for (const auto& pod : pods) {
    if (pod.visibility != Visibility::kVisible) continue;
    if (!pod.tcp_events) return std::nullopt;
    if (events) {
      events->add(*pod.tcp_events);
    } else {
      events = pod.tcp_events;
    }
  }
  return events;
}

Together sum_of(Namesakes pods, std::size_t peers) {
  Together together;
  together.held.emplace();
  for (const auto& pod : pods) {
    if (pod.visibility != Visibility::kVisible) continue;
    if (pod.held == nullptr) together.held.reset();
    if (together.held) together.held->add(*pod.held, peers);
    together.sums.add(pod.sums);
    together.diagnosis.add(pod.diagnosis, peers);
    together.descriptors.insert(together.descriptors.end(), pod.descriptors.begin(),
                                pod.descriptors.end());
  }
  together.descriptors = merged_descriptors(std::move(together.descriptors));
  together.tcp_events = events_of(pods);
  return together;
}

/// A state that is not known of one of the pods has no sum.
bool know(Namesakes pods, TcpState state) {
  return std::all_of(pods.begin(), pods.end(), [&](const PodSnapshot& pod) {
    return pod.visibility != Visibility::kVisible || pod.knows(state);
  });
}

void add_containers(Exposition& exposition, const PodLabels& pod, const Diagnosis& diagnosis) {
  for (const auto& container : diagnosis.containers) {
    const auto name = label("container", container.container);
    for (const auto direction : kDirections) {
      for (const auto owes : kOwedCalls) {
        // The application accepts what others began.
        if (direction == Direction::kOutbound && owes == OwedCall::kAccept) continue;
        if (!exposition.wants(Metric::kCloseWait)) continue;
        exposition.add(
            Metric::kCloseWait,
            pod.with(name, label("direction", name_of(direction)), label("owes", name_of(owes))),
            container.of(direction, owes));
      }
    }
    if (exposition.wants(Metric::kCloseWaitStuck)) {
      exposition.add(Metric::kCloseWaitStuck, pod.with(name), container.stuck);
    }
  }
}

void add_owners(Exposition& exposition, Metric metric, const PodLabels& pod,
                const std::vector<OwnerSums>& owners) {
  for (const auto& [owner, sockets, stuck] : owners) {
    if (!exposition.wants(metric)) continue;
    exposition.add(
        metric,
        pod.with(label("owner_namespace", owner.pod_namespace), label("owner_pod", owner.pod),
                 label("owner_container", owner.container)),
        sockets);
  }
}

void add_diagnosis(Exposition& exposition, const PodLabels& pod, const Diagnosis& diagnosis) {
  add_containers(exposition, pod, diagnosis);
  const auto add = [&](Metric metric, auto value) {
    if (exposition.wants(metric)) exposition.add(metric, pod.alone(), value);
  };
  add(Metric::kCloseWaitOldest, seconds(diagnosis.oldest));
  add(Metric::kCloseWaitUnread, diagnosis.unread_bytes);
  add(Metric::kCloseWaitEntered, diagnosis.entered);
  add(Metric::kCloseWaitLeft, diagnosis.left);
  for (const auto& peer : diagnosis.peers) {
    if (peer.stuck == 0 || !exposition.wants(Metric::kCloseWaitPeer)) continue;
    exposition.add(Metric::kCloseWaitPeer,
                   pod.with(label("direction", name_of(peer.direction)), label("peer", peer.peer)),
                   peer.stuck);
  }
  add_owners(exposition, Metric::kCloseWaitOwner, pod, diagnosis.owners);
}

void add_backlog(Exposition& exposition, const PodLabels& pod, std::string_view port,
                 const ListenBacklog& backlog) {
  const auto labels = pod.with(label("port", port));
  if (exposition.wants(Metric::kListenBacklogSockets)) {
    exposition.add(Metric::kListenBacklogSockets, labels, backlog.sockets);
  }
  if (backlog.limit && exposition.wants(Metric::kListenBacklogLimit)) {
    exposition.add(Metric::kListenBacklogLimit, labels, *backlog.limit);
  }
}

void add_listeners(Exposition& exposition, const PodLabels& pod,
                   std::vector<ListenBacklog> listeners) {
  const auto queues = shown_queues(std::move(listeners));
  if (queues.other) add_backlog(exposition, pod, "other", *queues.other);
  for (const auto& backlog : queues.ports) {
    add_backlog(exposition, pod, std::to_string(backlog.port), backlog);
  }
}

void add_held(Exposition& exposition, const PodLabels& pod, const HeldDiagnosis& held) {
  for (const auto& container : held.containers) {
    if (!exposition.wants(Metric::kClosedHeld)) continue;
    exposition.add(Metric::kClosedHeld, pod.with(label("container", container.container)),
                   container.sockets);
  }
  const auto add = [&](Metric metric, std::uint64_t value) {
    if (exposition.wants(metric)) exposition.add(metric, pod.alone(), value);
  };
  add(Metric::kCloseWaitLeftClosed, held.left_closed);
  add(Metric::kCloseWaitLeftHeld, held.left_held);
  add(Metric::kClosedHeldEntered, held.entered);
  add_owners(exposition, Metric::kClosedHeldOwner, pod, held.owners);
}

void add_descriptors(Exposition& exposition, const PodLabels& pod,
                     const std::vector<ContainerDescriptors>& descriptors) {
  for (const auto& container : descriptors) {
    const auto labels = pod.with(label("container", container.container));
    if (exposition.wants(Metric::kDescriptorsOpen)) {
      exposition.add(Metric::kDescriptorsOpen, labels, container.open);
    }
    if (container.limit && exposition.wants(Metric::kDescriptorsLimit)) {
      exposition.add(Metric::kDescriptorsLimit, labels, *container.limit);
    }
  }
}

void add_events(Exposition& exposition, const PodLabels& pod, const TcpEventCounts& counts) {
  for (const auto event : kTcpEvents) {
    if (!counts.of(event) || !exposition.wants(Metric::kPodTcpEvents)) continue;
    exposition.add(Metric::kPodTcpEvents, pod.with(label("event", describe(event).name)),
                   *counts.of(event));
  }
}

void add_pod_info(Exposition& exposition, const PodLabels& labels, Namesakes pods) {
  std::set<std::string_view> told;  // one container can hold several namespaces of one uid
  for (const auto& pod : pods) {
    if (!told.insert(pod.uid).second) continue;
    exposition.add(Metric::kPodInfo,
                   labels.with(label("uid", pod.uid), label("workload_kind", pod.workload_kind),
                               label("workload", pod.workload),
                               label("host_network", pod.host_network ? "true" : "false")),
                   1);
  }
}

void add_pod(Exposition& exposition, Namesakes pods, const Shown& shown, std::size_t peers) {
  const PodLabels labels(pods.front());
  const auto visibility = shown.of(pods);
  const bool visible = visibility == Visibility::kVisible;
  exposition.add(Metric::kPodVisible, labels.with(label("reason", reason_of(visibility))),
                 visible ? 1 : 0);
  if (visibility == Visibility::kExcluded) return;
  add_pod_info(exposition, labels, pods);
  if (!visible) return;
  auto together = sum_of(pods, peers);
  for (const auto state : kTcpStates) {
    if (!know(pods, state) || !exposition.wants(state)) continue;
    exposition.add(Metric::kPodSockets, labels.with(label("state", name_of(state))),
                   together.sums.states.of(state));
  }
  add_listeners(exposition, labels, std::move(together.sums.listeners));
  add_diagnosis(exposition, labels, together.diagnosis);
  if (together.held) add_held(exposition, labels, *together.held);
  add_descriptors(exposition, labels, together.descriptors);
  if (together.tcp_events) add_events(exposition, labels, *together.tcp_events);
}

void add_pods(Exposition& exposition, const Snapshot& snapshot, const Shown& shown) {
  std::span pods(snapshot.pods);
  while (!pods.empty()) {
    const auto& first = pods.front();
    const auto next = std::find_if(pods.begin(), pods.end(), [&](const PodSnapshot& pod) {
      return pod.pod_namespace != first.pod_namespace || pod.name != first.name;
    });
    const auto count = static_cast<std::size_t>(next - pods.begin());
    add_pod(exposition, pods.first(count), shown, snapshot.settings.peers);
    pods = pods.subspan(count);
  }
}

void add_features(Exposition& exposition, const Features& features) {
  const auto add = [&](std::string_view name, std::optional<bool> enabled) {
    if (!enabled) return;  // nobody knows yet
    exposition.add(Metric::kFeatureEnabled, {label("feature", name)}, *enabled ? 1 : 0);
  };
  add("cgroup_id", features.cgroup_id);
  add("tcp_info", features.tcp_info);
  add("netns_cookie", features.netns_cookie);
  add("metadata_api", features.metadata_api);
  add("socket_inode", features.socket_inode);
  add("held_sockets", features.held_sockets);
}

void add_snapshot(Exposition& exposition, const Snapshot& snapshot, const Shown& shown) {
  add_pods(exposition, snapshot, shown);
  exposition.add(Metric::kUnnamedPods, {},
                 std::count_if(snapshot.pods.begin(), snapshot.pods.end(),
                               [](const PodSnapshot& pod) { return !pod.named; }));
  if (const auto* const node = shown.node()) {
    for (const auto state : kTcpStates) {
      exposition.add(Metric::kNodeSockets, {label("state", name_of(state))}, node->of(state));
    }
  }
  exposition.add(Metric::kScanDuration, {}, seconds(snapshot.duration));
  exposition.add(Metric::kScanCpu, {}, seconds(snapshot.cpu_total));
  exposition.add(Metric::kScanInterval, {}, seconds(snapshot.interval));
  exposition.add(Metric::kScanOverBudget, {}, snapshot.over_budget ? 1 : 0);
  exposition.add(Metric::kScanTimestamp, {}, unix_seconds(snapshot.taken_at));
  for (const auto stage : kScanStages) {
    exposition.add(Metric::kScanErrors, {label("stage", name_of(stage))},
                   snapshot.errors.at(static_cast<std::size_t>(stage)));
  }
  exposition.add(Metric::kHungReads, {}, snapshot.hung_reads);
  add_features(exposition, snapshot.features);
  for (const auto& [engine, reason] : snapshot.engines) {
    exposition.add(Metric::kEngineInUse,
                   {label("engine", name_of(engine)), label("reason", reason)},
                   reason.empty() ? 1 : 0);
  }
  if (const auto& checks = snapshot.checks) {
    exposition.add(Metric::kEngineChecks, {label("result", "agree")}, checks->agree);
    exposition.add(Metric::kEngineChecks, {label("result", "disagree")}, checks->disagree);
    exposition.add(Metric::kEngineChecks, {label("result", "undecided")}, checks->undecided);
  }
}

void add_web(Exposition& exposition, const web::WebFacts& facts) {
  if (facts.file) {
    exposition.add(Metric::kWebConfigCurrent, {}, facts.file->is_current ? 1 : 0);
    exposition.add(Metric::kWebConfigLoaded, {}, unix_seconds(facts.file->loaded_at));
  }
  for (std::size_t i = 0; i < web::kRefusalCount; ++i) {
    exposition.add(Metric::kWebRefused, {label("reason", web::kRefusalNames.at(i))},
                   facts.refused.at(i));
  }
}

void add_confinement(Exposition& exposition, const Confinement& confinement) {
  const auto add = [&](std::string_view means, bool enforced) {
    exposition.add(Metric::kConfined, {label("means", means)}, enforced ? 1 : 0);
  };
  add("capabilities", confinement.capabilities);
  add("system_calls", confinement.system_calls);
  add("files", confinement.files);
}

void add_agent(Exposition& exposition, const AgentFacts& agent) {
  if (agent.web) add_web(exposition, *agent.web);
  if (agent.confinement) add_confinement(exposition, *agent.confinement);
  auto build = std::vector{label("version", agent.version), label("compiler", agent.compiler)};
  if (!agent.revision.empty()) {
    build.push_back(label("revision", agent.revision));
    build.push_back(label("date", agent.date));
  }
  exposition.add(Metric::kBuildInfo, build, 1);
  exposition.add(Metric::kProcessCpu, {}, agent.process.cpu_seconds);
  exposition.add(Metric::kProcessOpenFds, {}, agent.process.open_fds);
  exposition.add(Metric::kProcessMaxFds, {}, agent.process.max_fds);
  exposition.add(Metric::kProcessVirtualMemory, {}, agent.process.virtual_bytes);
  exposition.add(Metric::kProcessResidentMemory, {}, agent.process.resident_bytes);
  exposition.add(Metric::kProcessStartTime, {}, unix_seconds(agent.started_at));
}

}  // namespace

std::string snapshot_text(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                          const MetricFilter& without) {
  Exposition exposition(without);
  add_snapshot(exposition, snapshot, {snapshot, now});
  return std::move(exposition).text();
}

std::string agent_text(const AgentFacts& agent) {
  const MetricFilter all;
  Exposition exposition(all);
  add_agent(exposition, agent);
  return std::move(exposition).text();
}

}  // namespace closewatch
