// SPDX-License-Identifier: Apache-2.0
#include "closewatch/metrics/metric_table.h"

namespace closewatch {
namespace {

constexpr std::array<MetricDescription, kMetricCount> kTable = {{
    {"closewatch_pod_sockets", MetricKind::kGauge, "namespace, pod, state",
     "TCP sockets in the pod's network namespaces by state. Every state is there, zeros included, "
     "for every visible pod; but hostNetwork pods have no syn_recv, fin_wait2 and time_wait, whose "
     "owner nobody can tell."},
    {"closewatch_close_wait_sockets", MetricKind::kGauge,
     "namespace, pod, container, direction, owes",
     "TCP sockets in CLOSE_WAIT by the container that made them, by who began the connection "
     "(inbound: the peer; outbound: the pod) and by the call that the application still owes "
     "(accept, read, close). container=\"unknown\" where nobody can tell, container=\"other_pod\" where "
     "a container of another pod has made them in this pod's network namespace."},
    {"closewatch_close_wait_stuck_sockets", MetricKind::kGauge, "namespace, pod, container",
     "TCP sockets that have been in CLOSE_WAIT for diagnosis.stuck_after or longer."},
    {"closewatch_close_wait_oldest_seconds", MetricKind::kGauge, "namespace, pod",
     "For how long the oldest socket in CLOSE_WAIT has been there; 0 when there is none."},
    {"closewatch_close_wait_unread_bytes", MetricKind::kGauge, "namespace, pod",
     "Data that sockets in CLOSE_WAIT hold for the application to read: kernel memory."},
    {"closewatch_close_wait_entered_total", MetricKind::kCounter, "namespace, pod",
     "Sockets that were in CLOSE_WAIT in a scan and not in the one before, since the agent's start "
     "or the pod's, whichever came later."},
    {"closewatch_close_wait_left_total", MetricKind::kCounter, "namespace, pod",
     "Sockets that were in CLOSE_WAIT in a scan and in neither of the two after it: the application "
     "has closed them (closewatch_close_wait_left_closed_total), or the kernel has given up their "
     "connections and the application holds them still (closewatch_close_wait_left_held_total)."},
    {"closewatch_close_wait_left_closed_total", MetricKind::kCounter, "namespace, pod",
     "Of closewatch_close_wait_left_total, sockets that no process held when held sockets were looked "
     "for next: closed by the application, or by its end. Missing as closewatch_closed_held_sockets "
     "is."},
    {"closewatch_close_wait_left_held_total", MetricKind::kCounter, "namespace, pod",
     "Of closewatch_close_wait_left_total, sockets that a process held still when held sockets were "
     "looked for next: the kernel gave up their connections (a RST came), nobody has closed them. "
     "Missing as closewatch_closed_held_sockets is. What is in neither of the two was not looked for "
     "yet, or had never been accepted."},
    {"closewatch_close_wait_peer_sockets", MetricKind::kGauge, "namespace, pod, direction, peer",
     "Stuck sockets by peer: the diagnosis.peers worst of the pod, the rest as peer=\"other\". "
     "Outbound peers are ip:port, inbound ones ip."},
    {"closewatch_close_wait_owner_sockets", MetricKind::kGauge,
     "namespace, pod, owner_namespace, owner_pod, owner_container",
     "Those TCP sockets in CLOSE_WAIT in the pod's network namespaces that other pods' containers "
     "have made (container=\"other_pod\"), by that container: the 8 worst, the rest with "
     "\"other_owners\" for all three. Only where there are some."},
    {"closewatch_pod_visible", MetricKind::kGauge, "namespace, pod, reason",
     "1 when the pod's sockets were counted in the last scan; 0 when not, for the reason given, "
     "and then it has no counts."},
    {"closewatch_pod_info", MetricKind::kGauge,
     "namespace, pod, uid, workload_kind, workload, host_network",
     "1 for each pod on the node. What is not known of it is empty."},
    {"closewatch_excluded_series", MetricKind::kGauge, "metric",
     "Series of pods that this exposition does not have, as metrics.without says, by metric. Those of pods that "
     "are excluded (closewatch_pod_visible with that reason) are not among them."},
    {"closewatch_unnamed_pods", MetricKind::kGauge, "",
     "Pods whose uid has no name in any source of metadata. They have namespace=\"unknown\" and "
     "their "
     "uid for a name."},
    {"closewatch_listen_backlog_sockets", MetricKind::kGauge, "namespace, pod, port",
     "Connections that wait in the accept queues of a port for the application to accept them. The "
     "32 "
     "fullest ports of a pod, the rest together as port=\"other\"."},
    {"closewatch_listen_backlog_limit", MetricKind::kGauge, "namespace, pod, port",
     "What listen() allows to wait in the accept queues of a port, within net.core.somaxconn. The "
     "kernel admits one more for each queue: full is what holds more than its limit."},
    {"closewatch_closed_held_sockets", MetricKind::kGauge, "namespace, pod, container",
     "TCP sockets whose connections are over while a process holds their descriptors, by the container "
     "that made them: the peer's RST has ended what was in CLOSE_WAIT, and the leak stays. Missing "
     "where feature held_sockets is 0, and until a pod is looked at first."},
    {"closewatch_closed_held_entered_total", MetricKind::kCounter, "namespace, pod",
     "Sockets that were held after the end of their connections in one reading and not in the one "
     "before, whether they had been seen in CLOSE_WAIT or not."},
    {"closewatch_closed_held_owner_sockets", MetricKind::kGauge,
     "namespace, pod, owner_namespace, owner_pod, owner_container",
     "Those of closewatch_closed_held_sockets that other pods' containers have made in this pod's "
     "network namespaces (container=\"other_pod\"), by that container: the 8 worst, the rest with "
     "\"other_owners\" for all three. Only where there are some."},
    {"closewatch_descriptors_open", MetricKind::kGauge, "namespace, pod, container",
     "Open descriptors of that process of the container which is nearest to its limit. Missing when they "
     "cannot be counted."},
    {"closewatch_descriptors_limit", MetricKind::kGauge, "namespace, pod, container",
     "How many descriptors that process may have open, its soft RLIMIT_NOFILE. Missing when it has no "
     "limit."},
    {"closewatch_pod_tcp_events_total", MetricKind::kCounter, "namespace, pod, event",
     "What the kernel has counted of TCP in the pod's network namespaces since they were made, by event: those of "
     "pods.tcp_events. Missing for hostNetwork pods, whose namespace is the node's, and what the kernel does not count."},
    {"closewatch_node_sockets", MetricKind::kGauge, "state",
     "TCP sockets in the host's network namespace by state, but for those of visible hostNetwork "
     "pods. Missing when it cannot be read."},
    {"closewatch_scan_duration_seconds", MetricKind::kGauge, "", "How long the last scan took."},
    {"closewatch_scan_cpu_seconds_total", MetricKind::kCounter, "",
     "CPU time that scans have cost, user and kernel."},
    {"closewatch_scan_interval_seconds", MetricKind::kGauge, "",
     "Time between scans in force: scan.interval, or more to stay under scan.cpu_budget."},
    {"closewatch_scan_over_budget", MetricKind::kGauge, "",
     "1 when scans cost more than scan.cpu_budget allows, although the interval is scan.max_interval."},
    {"closewatch_scan_timestamp_seconds", MetricKind::kGauge, "",
     "When the last scan ended, as Unix time."},
    {"closewatch_scan_errors_total", MetricKind::kCounter, "stage",
     "Errors in scans by stage: discovery of pods, metadata, namespace (getting to it), sockets "
     "(reading them), decode (understanding the kernel)."},
    {"closewatch_hung_reads", MetricKind::kGauge, "",
     "Reads that have not returned, each of a pod that hangs or of the list of pods: a thread waits "
     "for it. There are 16 at most; then no pod is read any more."},
    {"closewatch_feature_enabled", MetricKind::kGauge, "feature",
     "1 when the kernel gives it and it is in use: cgroup_id (containers by the cgroup of a "
     "socket), tcp_info (ages at the first scan), netns_cookie (namespaces told apart for ever); "
     "metadata_api is 1 while the API server tells of pods, and 0 while it is away; "
     "socket_inode is 1 while containers are found through /proc/PID/fd instead; held_sockets is 1 "
     "while sockets are looked for whose connections are over."},
    {"closewatch_engine_in_use", MetricKind::kGauge, "engine, reason",
     "1 for the engine that reads the sockets, 0 for the others, with the reason: not_tried (nobody asked for "
     "it), not_needed (inet_diag is cheap enough), dear (inet_diag would take more than a tenth of the "
     "budget), disagrees (it has told what inet_diag shows not to be true), denied (a privilege is missing), unsupported (by this kernel), failed."},
    {"closewatch_engine_checks_total", MetricKind::kCounter, "result",
     "Pods whose sockets inet_diag has read beside bpf, by result: agree, disagree (bpf has told what cannot be "
     "so; the second time in a row inet_diag takes over), undecided (the pod had gone, or could not be read). "
     "Only with scan.engine auto where inet_diag works."},
    {"closewatch_web_config_current", MetricKind::kGauge, "",
     "1 when the web configuration file and those that it names were right when they were last read; 0 while what "
     "was read before stays in force. Only with web.config.file."},
    {"closewatch_web_config_loaded_timestamp_seconds", MetricKind::kGauge, "",
     "When what is in force of the web configuration was read, as Unix time. Only with web.config.file."},
    {"closewatch_web_refused_total", MetricKind::kCounter, "reason",
     "Connections and requests that were not let in, by reason: handshake (of TLS), credentials (no name and "
     "password of a user, nor anybody's token), too_often (a client was wrong too often to be looked at), busy (too "
     "many passwords or tokens are being looked at), rate_limit, forbidden (the token's owner may not get that "
     "path), not_reviewed (the API server has not said so of a token). Only with web.config.file or "
     "web.kubernetes-auth."},
    {"closewatch_confined", MetricKind::kGauge, "means",
     "1 when the kernel keeps the process that talks to the network from all else, by means: capabilities (it has "
     "none), system_calls (a server's alone, by seccomp), files (its own alone, by Landlock); 0 where the kernel, or "
     "what the agent runs in, does not have the means: the log says why."},
    {"closewatch_build_info", MetricKind::kGauge, "version, compiler, revision, date",
     "1, with what this agent was built from: revision is the commit, date when that was made; without both "
     "where the build did not know them."},
    {"process_cpu_seconds_total", MetricKind::kCounter, "",
     "CPU time that the agent's two processes have used, user and kernel."},
    {"process_open_fds", MetricKind::kGauge, "",
     "File descriptors that the agent has open: of its two processes the one with more."},
    {"process_max_fds", MetricKind::kGauge, "",
     "How many file descriptors that process may have open."},
    {"process_virtual_memory_bytes", MetricKind::kGauge, "",
     "Size of the address spaces of the agent's two processes."},
    {"process_resident_memory_bytes", MetricKind::kGauge, "",
     "Memory that the agent's two processes occupy; what both have in common counts once."},
    {"process_start_time_seconds", MetricKind::kGauge, "", "When the agent started, as Unix time."},
}};

}  // namespace

const MetricDescription& describe(Metric metric) {
  return kTable.at(static_cast<std::size_t>(metric));
}

std::string metric_table_markdown() {
  std::string table = "| metric | type | labels | what it says |\n|---|---|---|---|\n";
  for (const auto& row : kTable) {
    table += "| `";
    table += row.name;
    table += row.kind == MetricKind::kCounter ? "` | counter | " : "` | gauge | ";
    table += row.labels.empty() ? "–" : row.labels;
    table += " | ";
    table += row.help;
    table += " |\n";
  }
  return table;
}

}  // namespace closewatch
