// SPDX-License-Identifier: Apache-2.0
import { annotations, dashboard, to, variables } from './dashboard.js';
import { IN_CLUSTER, LINK, lines, number, table } from './panels.js';
import { CLUSTER, NAMESPACE, NODE, line, linked, now, once, rows } from './queries.js';

const BLIND = once('closewatch_pod_visible', `${NAMESPACE},reason!=""`, 'reason', 'node');

export const agent = dashboard('closewatch-agent', 'Agent', 'What closewatch itself costs, where it fails, and what it cannot see.', '6h',
  [variables.cluster(), variables.namespace(), variables.node(), variables.agent()],
  [annotations.alerts(`${CLUSTER},alertname=~".*(Agent|Scans|NotVisible|Budget).*"`)],
  [
    { title: 'Now', panels: [
      number('Agents', { says: 'Agents that are scraped.', width: 3, decimals: 0 }, line(`count(closewatch_build_info{${NODE}})`, 'agents')),
      number('Pods watched', { says: 'Pods whose sockets were counted in the last scan.', width: 3, height: 5, decimals: 0, plain: true },
        now(`count(${once('closewatch_pod_visible', NAMESPACE)} == 1)`, 'pods')),
      number('Unseen pods', { says: 'Pods without counts, sandboxed ones included.', width: 3, decimals: 0, thresholds: { 1: 'orange' } },
        line(`count(${once('closewatch_pod_visible', `${NAMESPACE},reason!=""`)} == 0) or vector(0)`, 'pods')),
      number('Unnamed pods', { says: 'Pods that no source of metadata knows.', width: 3, decimals: 0, thresholds: { 1: 'orange' } },
        line(`sum(max by (cluster, node, instance) (closewatch_unnamed_pods{${NODE}}))`, 'pods')),
      number('Worst CPU', { says: 'Of the agent whose scans cost most, as a share of one core. scan.cpu_budget is 1 % by default.', width: 3, unit: 'percentunit', decimals: 2,
        thresholds: { 0.011: 'orange', 0.02: 'red' } },
      line(`max(rate(closewatch_scan_cpu_seconds_total{${NODE}}[$__rate_interval]))`, 'cores')),
      number('Longest interval', { says: 'Time between scans of the agent that had to stretch it most, to keep to its CPU budget.', width: 3, unit: 's', decimals: 0, thresholds: { 15: 'yellow', 60: 'red' } },
        line(`max(closewatch_scan_interval_seconds{${NODE}})`, 'interval')),
      number('Oldest scan', { says: 'Age of the last scan of the agent that is furthest behind.', width: 3, unit: 's', decimals: 0, thresholds: { 60: 'yellow', 180: 'red' } },
        line(`max(timestamp(closewatch_scan_timestamp_seconds{${NODE}}) - closewatch_scan_timestamp_seconds{${NODE}})`, 'age')),
      number('Errors an hour', { says: 'Errors in scans of all agents.', width: 3, decimals: 0, thresholds: { 1: 'yellow', 60: 'red' } },
        line(`sum(max by (cluster, node, instance, stage) (increase(closewatch_scan_errors_total{${NODE}}[1h])))`, 'errors')),
    ] },
    { title: 'Blind spots', panels: [
      table('Pods that nobody sees', { says: 'They have no counts at all, and the reason says why: docs/metrics.md.', columns: [
        LINK, IN_CLUSTER, { field: 'namespace', title: 'Namespace' },
        { field: 'pod', title: 'Pod', width: 260, link: to('closewatch-pod', { namespace: 'Namespace', pod: 'Pod' }), linkTitle: 'What is known of it' },
        { field: 'reason', title: 'Reason' }, { field: 'node', title: 'Node' } ], empty: 'Every pod is seen' },
      rows(linked(`${BLIND} == 0`))),
      lines('By reason', { says: 'Pods without counts, by reason.', stacked: true, empty: 'Every pod is seen' }, line(`count by (reason) (${BLIND} == 0)`, '{{reason}}')),
      lines('Errors a minute, by stage', { says: 'By stage of a scan: discovery, metadata, namespace, sockets, decode.' },
        line(`sum by (stage) (max by (cluster, node, instance, stage) (rate(closewatch_scan_errors_total{${NODE}}[$__rate_interval]))) * 60`, '{{stage}}')),
      table('Features that are off', { width: 6, says: 'Without cgroup_id and socket_inode containers are unknown; without tcp_info ages start at the first scan.',
        columns: [{ field: 'feature', title: 'Feature' }, { field: 'Value', title: 'Agents without', decimals: 0 }], sort: 'Agents without', empty: 'All are on' },
      rows(`count by (feature) (closewatch_feature_enabled{${NODE}} == 0)`)),
      table('Versions', { says: 'Agents by version.', width: 6, columns: [{ field: 'version', title: 'Version' }, { field: 'compiler', title: 'Compiler' },
        { field: 'Value', title: 'Agents', decimals: 0 }], sort: 'Agents' },
      rows(`count by (version, compiler) (closewatch_build_info{${NODE}})`)),
    ] },
    { title: 'Cost', panels: [
      lines('CPU of scans, the ten costliest', { width: 8, says: 'As a share of one core; scan.cpu_budget is 1 % by default.', unit: 'percentunit', decimals: 2, thresholds: { 0.01: 'red' } },
        line(`topk(10, rate(closewatch_scan_cpu_seconds_total{${NODE}}[$__rate_interval]))`, '{{node}} {{instance}}')),
      lines('Time between scans, the ten longest', { width: 8, says: 'scan.interval, or more where the CPU budget asks for it.', unit: 's', thresholds: { 60: 'red' } },
        line(`topk(10, closewatch_scan_interval_seconds{${NODE}})`, '{{node}} {{instance}}')),
      lines('A scan takes, the ten longest', { width: 8, says: 'From the first pod to the last.', unit: 's' },
        line(`topk(10, closewatch_scan_duration_seconds{${NODE}})`, '{{node}} {{instance}}')),
      lines('Memory, the ten largest', { says: 'Resident.', unit: 'bytes', thresholds: { 67108864: 'red' } },
        line(`topk(10, process_resident_memory_bytes{${NODE}} * on (instance) group_left () closewatch_build_info)`, '{{node}} {{instance}}')),
      lines('A scrape brings, the ten largest', { says: 'Series by agent: the sum of its pods’.' },
        line(`topk(10, scrape_samples_scraped{${NODE}} * on (instance) group_left () closewatch_build_info)`, '{{node}} {{instance}}')),
    ] },
    { title: 'The nodes themselves', panels: [
      lines('Sockets of the host’s namespace', { says: 'By state, without hostNetwork pods.' },
        line(`sum by (state) (closewatch_node_sockets{${NODE}}) > 0`, '{{state}}')),
      lines('TCP timeouts and listen drops', { says: 'Retransmission timeouts, and connections dropped from full accept queues, the worst nodes.', needs: ['node_exporter'], unit: 'ops' },
        line(`topk(5, node:node_netstat_TcpExt_TCPTimeouts:rate5m{${CLUSTER},node=~"$node"})`, 'timeouts {{node}} {{instance}}'),
        line(`topk(5, node:node_netstat_TcpExt_ListenDrops:rate5m{${CLUSTER},node=~"$node"})`, 'drops {{node}} {{instance}}')),
    ] },
  ]);
