// SPDX-License-Identifier: Apache-2.0
import { MappingType } from '@grafana/grafana-foundation-sdk/dashboard';

import { annotations, dashboard, to, variables } from './dashboard.js';
import { LINK, lines, number, table } from './panels.js';
import { CLUSTER, NAMESPACE, POD, line, linked, now, once, rows } from './queries.js';

const WHOSE = `max by (cluster, namespace, workload) (pod:closewatch_workload:info{${POD}})`;
const SERVICES = `max by (cluster, service) (service:closewatch_workload:info{${CLUSTER}} * on (cluster, namespace, workload) group_left () ${WHOSE})`;
const ofService = (series: string) => `service:envoy_cluster_upstream_${series}{${CLUSTER}} * on (cluster, service) ${SERVICES}`;
const ofNode = (series: string) => `${series}{${CLUSTER},node!=""} and on (cluster, node) closewatch_pod_info{${POD}}`;
const SHOWN = 'established|close_wait|time_wait|fin_wait1|fin_wait2|syn_sent|syn_recv|last_ack|closing';

export const pod = dashboard('closewatch-pod', 'Pod', 'One victim: its sockets over time, what it owes, since when, towards whom.', '6h',
  [variables.cluster(), variables.namespace(), variables.pod()],
  [annotations.alerts(POD), annotations.rollouts(NAMESPACE), annotations.restarts(POD)],
  [
    { title: '$namespace / $pod', panels: [
      number('CLOSE_WAIT', { says: 'Sockets in CLOSE_WAIT.', thresholds: { 20: 'yellow', 100: 'red' }, width: 3 },
        line(once('closewatch_pod_sockets', `${POD},state="close_wait"`), 'CLOSE_WAIT')),
      number('Stuck', { says: 'In CLOSE_WAIT for diagnosis.stuck_after (a minute) or longer.', thresholds: { 1: 'yellow', 20: 'red' }, width: 3 },
        line(`sum(${once('closewatch_close_wait_stuck_sockets', POD, 'container')})`, 'stuck')),
      number('Oldest', { says: 'For how long the oldest socket has been in CLOSE_WAIT.', unit: 's', decimals: 0, thresholds: { 300: 'yellow', 3600: 'red' }, width: 3 },
        line(once('closewatch_close_wait_oldest_seconds', POD), 'age')),
      number('Unread', { says: 'Kernel memory that sockets in CLOSE_WAIT hold for the application to read.', unit: 'bytes', decimals: 0, thresholds: { 1048576: 'yellow' }, width: 3 },
        line(once('closewatch_close_wait_unread_bytes', POD), 'unread')),
      number('Accept queue', { says: 'Of the port whose accept queue is fullest.', unit: 'percentunit', decimals: 0, thresholds: { 0.5: 'yellow', 0.8: 'red' }, width: 3 },
        line(`max(${once('closewatch_listen_backlog_sockets', POD, 'port')} / (${once('closewatch_listen_backlog_limit', POD, 'port')} + 1))`, 'queue')),
      number('Restarts today', { says: 'Restarts of its containers in the last 24 hours.', needs: ['kube-state-metrics'], decimals: 0, thresholds: { 1: 'orange', 3: 'red' }, width: 3, height: 5, plain: true },
        now(`sum(sum_over_time(pod:kube_pod_container_status_restarts:increase5m{${POD}}[1d:5m])) or 0 * count(kube_pod_container_status_restarts_total{${POD}})`)),
      table('Who it is', { says: 'Its workload and node, and whether its sockets can be counted.', width: 6, height: 5, columns: [
        LINK, { field: 'namespace', title: 'Namespace', hidden: true },
        { field: 'workload_kind', title: 'Kind', width: 95 },
        { field: 'workload', title: 'Workload', link: to('closewatch-fix', { namespace: 'Namespace', workload: 'Workload' }), linkTitle: 'Is it mended?' },
        { field: 'host_network', title: 'On host', width: 70 },
        { field: 'Value #B', title: 'Counted', width: 70, mappings: [{ type: MappingType.ValueToText, options: { 0: { text: 'no', color: 'red' }, 1: { text: 'yes', color: 'green' } } }] } ] },
      rows(linked(`max by (cluster, namespace, pod, workload_kind, workload, host_network) (closewatch_pod_info{${POD}})`)),
      rows(linked(`min by (cluster, namespace, pod) (closewatch_pod_visible{${POD}})`))),
    ] },
    { title: 'Its sockets', panels: [
      lines('States', { says: 'TCP sockets by state.', height: 10, colours: { CLOSE_WAIT: 'red', ESTABLISHED: 'green' } },
        line(once('closewatch_pod_sockets', `${POD},state="close_wait"`), 'CLOSE_WAIT'),
        line(once('closewatch_pod_sockets', `${POD},state="established"`), 'ESTABLISHED'),
        line(`${once('closewatch_pod_sockets', `${POD},state=~"${SHOWN}",state!~"close_wait|established"`, 'state')} > 0`, '{{state}}')),
      lines('CLOSE_WAIT by what is owed', { says: 'By direction and by the call that the application still owes: accept, read or close.', height: 10, stacked: true },
        line(`sum by (direction, owes) (${once('closewatch_close_wait_sockets', POD, 'container', 'direction', 'owes')})`, '{{direction}}, owes {{owes}}')),
      lines('Stuck by container', { says: 'Which container made the sockets that nobody closes. Held: their connections are over, no table has them, and the descriptors are kept.', thresholds: { 20: 'red' } },
        line(once('closewatch_close_wait_stuck_sockets', POD, 'container'), '{{container}}'),
        line(once('closewatch_closed_held_sockets', POD, 'container'), '{{container}}, held')),
      lines('Stuck by peer', { says: 'Outbound: whom the pod called; inbound: who called it.', empty: 'No stuck socket has a peer' },
        line(`sum by (direction, peer) (${once('closewatch_close_wait_peer_sockets', POD, 'direction', 'peer')})`, '{{direction}} {{peer}}')),
      lines('Age of the oldest', { says: 'A straight line upwards is one socket that nobody ever closes.', unit: 's', thresholds: { 3600: 'red' } },
        line(once('closewatch_close_wait_oldest_seconds', POD), 'oldest')),
      lines('Into and out of CLOSE_WAIT', { says: 'A leak is the gap between entered and left, and all that is held still: a RST has ended the connection, and nobody has closed it.', unit: 'ops',
        colours: { entered: 'orange', left: 'blue', closed: 'green', 'held still': 'red' } },
        line(`max(rate(closewatch_close_wait_entered_total{${POD}}[$__rate_interval]))`, 'entered'),
        line(`max(rate(closewatch_close_wait_left_total{${POD}}[$__rate_interval]))`, 'left'),
        line(`max(rate(closewatch_close_wait_left_closed_total{${POD}}[$__rate_interval]))`, 'closed'),
        line(`max(rate(closewatch_close_wait_left_held_total{${POD}}[$__rate_interval]))`, 'held still')),
      lines('Accept queues', { says: 'Connections that wait to be accepted, and how many may.', dashed: ['.*limit$'] },
        line(once('closewatch_listen_backlog_sockets', POD, 'port'), ':{{port}}'),
        line(once('closewatch_listen_backlog_limit', POD, 'port'), ':{{port}} limit')),
      lines('Unread', { says: 'Kernel memory that sockets in CLOSE_WAIT hold for the application to read.', unit: 'bytes' },
        line(once('closewatch_close_wait_unread_bytes', POD), 'unread')),
    ] },
    { title: 'Next to it', panels: [
      lines('5xx of its service', { says: 'Failed calls a second to the services that its workload is behind.', needs: ['Envoy'], unit: 'reqps', width: 8 },
        line(`service:envoy_cluster_upstream_rq_5xx:rate5m{${CLUSTER}} * on (cluster, service) ${SERVICES}`, '{{service}}')),
      lines('Stream resets of its service', { says: 'Resets of calls under way: what a caller notices when it reuses a connection that has ended.', needs: ['Envoy'], unit: 'ops', width: 8 },
        line(`service:envoy_cluster_upstream_rq_rx_reset:rate5m{${CLUSTER}} * on (cluster, service) ${SERVICES}`, '{{service}}')),
      lines('Restarts', { says: 'Restarts of its containers so far.', needs: ['kube-state-metrics'], width: 8, decimals: 0 },
        line(`max by (container) (kube_pod_container_status_restarts_total{${POD}})`, '{{container}}')),
      lines('TCP events in its namespace', { says: 'What the kernel counts in the pod itself, a second: drops of a full accept queue, retransmission timeouts, resets.', unit: 'ops', width: 8,
        empty: 'Its agent tells no TCP events (pods.tcp_events), or it is on the host network' },
        line(`max by (cluster, namespace, pod, event) (rate(closewatch_pod_tcp_events_total{${POD}}[$__rate_interval]))`, '{{event}}')),
      lines('Connections to its service', { says: 'Connections a second that timed out or failed, and those that the service announced to close.', needs: ['Envoy'], unit: 'ops', width: 8 },
        line(ofService('cx_connect_timeout:rate5m'), 'timed out {{service}}'),
        line(ofService('cx_connect_fail:rate5m'), 'failed {{service}}'),
        line(ofService('cx_close_notify:rate5m'), 'close notified {{service}}')),
      lines('Calls under way to its service', { says: 'Calls at the moment, and those of them that wait for a connection.', needs: ['Envoy'], width: 8, decimals: 0 },
        line(ofService('rq_active:sum'), 'under way {{service}}'),
        line(ofService('rq_pending_active:sum'), 'waiting {{service}}')),
      lines('Ingresses of its namespace: latency', { says: 'Of all requests that each ingress serves.', needs: ['ingress-nginx'], unit: 's', width: 8 },
        line(`ingress:nginx_ingress_controller_request_duration_seconds:p50_5m{${NAMESPACE}}`, 'p50 {{ingress}}'),
        line(`ingress:nginx_ingress_controller_request_duration_seconds:p90_5m{${NAMESPACE}}`, 'p90 {{ingress}}'),
        line(`ingress:nginx_ingress_controller_request_duration_seconds:p99_5m{${NAMESPACE}}`, 'p99 {{ingress}}')),
      lines('Ingresses of its namespace: success', { says: 'The share of requests that end neither with 4xx nor with 5xx.', needs: ['ingress-nginx'], unit: 'percentunit', width: 8 },
        line(`ingress:nginx_ingress_controller_requests_succeeded:ratio_rate5m{${NAMESPACE}}`, '{{ingress}}')),
      lines('Ingresses of its namespace: volume', { says: 'Requests a second.', needs: ['ingress-nginx'], unit: 'reqps', width: 8 },
        line(`ingress:nginx_ingress_controller_requests:rate5m{${NAMESPACE}}`, '{{ingress}}')),
      lines('Clients cut off by an Envoy', { says: 'Connections of clients a second that an Envoy closed with a request on them, by application.', needs: ['Envoy'], unit: 'ops', width: 8 },
        line(`app:envoy_http_downstream_cx_destroy_local_active_rq:rate5m{${CLUSTER}}`, '{{app}}')),
      lines('TCP sockets of its node', { says: 'Allocated and orphaned ones of the whole machine, pods included; in use and in TIME_WAIT of the host alone.', needs: ['node_exporter'], width: 8, decimals: 0 },
        ...['alloc', 'orphan', 'inuse', 'tw'].map((kind) => line(ofNode(`node:node_sockstat_TCP_${kind}:max`), `${kind} {{node}}`))),
      lines('TCP memory of its node', { says: 'What sockets of the whole machine hold, pods included.', needs: ['node_exporter'], unit: 'bytes', width: 8 },
        line(ofNode('node:node_sockstat_TCP_mem_bytes:max'), '{{node}}')),
    ] },
  ]);
