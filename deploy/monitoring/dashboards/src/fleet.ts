// SPDX-License-Identifier: Apache-2.0
import { MappingType } from '@grafana/grafana-foundation-sdk/dashboard';

import { annotations, dashboard, to, variables } from './dashboard.js';
import { Column, IN_CLUSTER, LINK, bars, lines, number, table } from './panels.js';
import { CLUSTER, NAMESPACE, SERVICE, WORKLOAD, line, linked, now, ofWorkloads, once, rows } from './queries.js';

// Of a large fleet the raw series of all pods are too many to be drawn over time: curves are of recorded ones, and what is raw is
// asked for at one moment.
const STUCK = ofWorkloads(once('closewatch_close_wait_stuck_sockets', NAMESPACE, 'container'));
const PODS = 'by (cluster, namespace, workload, pod, container)';
const LEAKING = `(sum ${PODS} (${STUCK}) > 0)`;
const AGE = { unit: 's', decimals: 0, thresholds: { 300: 'yellow', 3600: 'red' } };
// As the alert has it: pods that keep sockets in a workload that leaks, and those that leak alone.
const LEAKERS = `(pod:closewatch_kept_sockets:min{${NAMESPACE}} * on (cluster, node, namespace, pod) group_left (workload_kind, workload) pod:closewatch_workload:info{${WORKLOAD}}`
  + ` and on (cluster, namespace, workload_kind, workload) workload:closewatch_leak:active{workload!=""}`
  + ` or on (cluster, node, namespace, pod) pod:closewatch_leak:active{${WORKLOAD}})`;
const COUNT = { 1: 'yellow', 20: 'red' };

const victims: Column[] = [
  LINK, IN_CLUSTER,
  { field: 'namespace', title: 'Namespace' },
  { field: 'workload', title: 'Workload' },
  { field: 'pod', title: 'Pod', width: 260, link: to('closewatch-pod', { namespace: 'Namespace', pod: 'Pod' }), linkTitle: 'All of this pod' },
  { field: 'container', title: 'Container' },
  { field: 'Value #A', title: 'Stuck', thresholds: COUNT, width: 90 },
  { field: 'Value #B', title: 'The pod grows, an hour', decimals: 0, thresholds: { 1: 'orange' }, width: 190 },
  { field: 'Value #C', title: 'Oldest', ...AGE, width: 110 },
];

const owed: Column[] = [
  IN_CLUSTER, { field: 'namespace', title: 'Namespace' }, { field: 'workload', title: 'Workload' },
  { field: 'container', title: 'Container' }, { field: 'direction', title: 'Direction', width: 100 },
  { field: 'owes', title: 'Owes', width: 80 }, { field: 'Value', title: 'CLOSE_WAIT', thresholds: COUNT, width: 110 },
];

const peers: Column[] = [
  LINK, IN_CLUSTER,
  { field: 'namespace', title: 'Namespace' },
  { field: 'pod', title: 'Pod', width: 260, link: to('closewatch-pod', { namespace: 'Namespace', pod: 'Pod' }), linkTitle: 'All of this pod' },
  { field: 'direction', title: 'Direction', width: 100 }, { field: 'peer', title: 'Peer' },
  { field: 'Value', title: 'Stuck', thresholds: COUNT, width: 90 },
];

const trust: Column[] = [
  { field: 'service', title: 'Service', width: 130 }, { field: 'proxy', title: 'Proxy', mappings: [{ type: MappingType.ValueToText, options: {
    stream_resets: { text: 'stream resets' }, connect_failures: { text: 'connect failures' },
    remote_closes_with_active_requests: { text: 'closed under a call' } } }] }, { field: 'lag', title: 'Best lag', width: 80 },
  { field: 'Value', title: 'Correlation', decimals: 2, base: 'red', thresholds: { 0.3: 'yellow', 0.8: 'green' }, width: 110 },
];

export const fleet = dashboard('closewatch-fleet', 'Fleet', 'Who leaks now, and where it grows.', '6h',
  [variables.cluster(), variables.namespace(), variables.workload(), variables.service()],
  [annotations.alerts(), annotations.rollouts(), annotations.restarts()],
  [
    { title: 'Now', panels: [
      number('Stuck sockets', { says: 'Sockets in CLOSE_WAIT for diagnosis.stuck_after (a minute) or longer.', thresholds: COUNT },
        line(`sum(workload:closewatch_close_wait_stuck_sockets:sum{${WORKLOAD}})`, 'stuck')),
      number('Pods that leak', { says: 'Pods that keep sockets in a workload that leaks, or that leak alone: as the alert ClosewatchCloseWaitLeak has it.', thresholds: { 1: 'yellow', 5: 'red' }, plain: true, height: 5 },
        now(`count(${LEAKERS}) or vector(0)`, 'pods')),
      number('Oldest socket', { says: 'For how long the oldest socket has been in CLOSE_WAIT.', ...AGE },
        line(`max(workload:closewatch_close_wait_oldest_seconds:max{${WORKLOAD}})`, 'age')),
      number('Growth an hour', { says: 'How many more sockets an hour are kept after their end, over the last hour. Restarts are no fall.',
        decimals: 0, thresholds: { 10: 'yellow', 60: 'red' } },
      line(`sum(workload:closewatch_kept_sockets:growth1h{${WORKLOAD}}) or vector(0)`, 'growth')),
      number('Alerts firing', { says: 'Alerts of closewatch that are firing.', thresholds: { 1: 'red' } },
        line(`count(ALERTS{alertname=~"Closewatch.*",alertstate="firing",${CLUSTER}}) or vector(0)`, 'alerts')),
      number('Pods nobody sees', { says: 'Pods without counts, and why: the dashboard Agent. Sandboxed ones are left out.',
        thresholds: { 1: 'orange' } },
      line(`count(${once('closewatch_pod_visible', `${NAMESPACE},reason!~"|sandboxed"`)} == 0) or vector(0)`, 'pods')),
    ] },
    { title: 'Who leaks', panels: [
      table('Containers with stuck sockets', { says: 'The fifty worst containers. A click on the pod leads to all that is known of it.', width: 24,
        height: 7, columns: victims, sort: 'Stuck', empty: 'No socket is stuck' },
      rows(linked(`topk(50, ${LEAKING})`)),
      rows(linked(`0 * ${LEAKING} + on (cluster, namespace, pod) group_left () max by (cluster, namespace, pod) (pod:closewatch_kept_sockets:growth1h{${NAMESPACE}})`)),
      rows(linked(`0 * ${LEAKING} + on (cluster, namespace, pod) group_left () ${once('closewatch_close_wait_oldest_seconds', NAMESPACE)}`))),
      lines('Stuck sockets, the ten worst workloads', { says: 'Sockets that nobody closes, by workload. A line that only rises is a leak.',
        thresholds: { 20: 'red' } },
      line(`topk(10, sum by (cluster, namespace, workload) (workload:closewatch_close_wait_stuck_sockets:sum{${WORKLOAD}}) > 0)`, '{{namespace}}/{{workload}}')),
      lines('Growth, the ten fastest workloads', { says: 'Sockets an hour that are kept after their end, over the last hour; those above ten.', decimals: 0, empty: 'Nothing grows' },
        line(`topk(10, sum by (cluster, namespace, workload) (workload:closewatch_kept_sockets:growth1h{${WORKLOAD}}) > 10)`, '{{namespace}}/{{workload}}')),
      table('Which call is owed', { says: 'accept: nobody fetched the connection; read: nobody read to its end; close: the descriptor is kept.',
        columns: owed, sort: 'CLOSE_WAIT', empty: 'Nothing is owed' },
      rows(`topk(50, sum by (cluster, namespace, workload, container, direction, owes) (workload:closewatch_close_wait_sockets:sum{${WORKLOAD}}) > 0)`)),
      table('Towards whom', { says: 'The peers with most stuck sockets. Outbound: whom the pod called; inbound: who called it.', columns: peers,
        sort: 'Stuck', empty: 'No stuck socket has a peer' },
      rows(linked(`topk(50, sum by (cluster, namespace, pod, direction, peer) (${ofWorkloads(once('closewatch_close_wait_peer_sockets', NAMESPACE, 'direction', 'peer'))}) > 0)`))),
      lines('CLOSE_WAIT by namespace', { says: 'All sockets in CLOSE_WAIT, stuck or just passing.', stacked: true, width: 8 },
        line(`topk(10, sum by (namespace) (workload:closewatch_close_wait_sockets:sum{${WORKLOAD}}))`, '{{namespace}}')),
      lines('CLOSE_WAIT by what is owed', { says: 'By direction and by the call that the application still owes.', stacked: true, width: 8 },
        line(`sum by (direction, owes) (workload:closewatch_close_wait_sockets:sum{${WORKLOAD}})`, '{{direction}}, owes {{owes}}')),
      bars('Accept queues, the ten fullest', { says: 'Connections that wait to be accepted, as a share of what may wait.', unit: 'percentunit', decimals: 1,
        width: 8, min: 0, max: 1, thresholds: { 0.5: 'yellow', 0.8: 'red' }, empty: 'Nobody listens' },
      now(`topk(10, ${once('closewatch_listen_backlog_sockets', NAMESPACE, 'port')} / (${once('closewatch_listen_backlog_limit', NAMESPACE, 'port')} + 1))`,
        '{{pod}}:{{port}}')),
    ] },
    { title: 'Bursts of 5xx, and what came before them', panels: [
      lines('5xx by service', { says: 'Failed calls a second.', needs: ['Envoy'], unit: 'reqps', width: 10 },
        line(`topk(10, service:envoy_cluster_upstream_rq_5xx:rate5m{${SERVICE}})`, '{{service}}')),
      bars('30 days of bursts came with', { says: 'Of all bursts, those that a leak or a rollout preceded or accompanied in the workload behind, both or neither. Without those of which it is unknown.',
        needs: ['Envoy'], unit: 'percentunit', min: 0, max: 1, width: 5, base: 'blue' },
      now(`closewatch:burst_attribution:ratio{${CLUSTER}}`, '{{class}}')),
      table('Which old alert to trust', { says: 'How well each proxy, by the call, follows the CLOSE_WAIT of the workload behind, at the lag that fits best, over seven days.',
        needs: ['Envoy'], width: 9, columns: trust, sort: 'Correlation', empty: 'Not enough history' },
      rows(`max by (service, proxy, lag) (service:closewatch_proxy:best_correlation{${SERVICE}})`)),
    ] },
  ]);
