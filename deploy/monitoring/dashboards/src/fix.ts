// SPDX-License-Identifier: Apache-2.0
// Before and after: two windows of one length, each ending some time before the end of the dashboard's time range.
import { MappingType } from '@grafana/grafana-foundation-sdk/dashboard';

import { annotations, dashboard, variables } from './dashboard.js';
import { Exporter, lines, note, table } from './panels.js';
import { CLUSTER, NAMESPACE, SERVICE, WORKLOAD, labelled, line, rows } from './queries.js';

interface Measure {
  name: string;
  /** Over the window that ends that long ago. */
  over: (window: string, ago: string) => string;
  target: string;
  /** Whether it is met: a comparison that gives 0 or 1. */
  met: (before: string, after: string) => string;
  needs?: Exporter;
}

const mean = (series: string, selector: string) => (window: string, ago: string) =>
  `sum(avg_over_time(${series}{${selector}}[${window}] offset ${ago}))`;
const share = (part: string, whole: string, selector: string) => (window: string, ago: string) =>
  `100 * ${mean(part, selector)(window, ago)} / (${mean(whole, selector)(window, ago)} > 0)`;
const aDay = (of: (window: string, ago: string) => string) => (window: string, ago: string) => `86400 * ${of(window, ago)}`;
// Over a month a query may not read each workload of a large cluster minute by minute. Of all workloads the sums of their
// namespaces are enough, which have no label `workload`. No series has `chosen`, so those of workloads are read unless all are.
const sockets = (series: string) =>
  `(sum(namespace:${series}:sum{${NAMESPACE},workload=~"$workload"}) or sum(workload:${series}:sum{${WORKLOAD},chosen!~"$workload"}))`;
// A descriptor whose connection a RST has ended is owed a close() like any other: who has it is not mended. Where nobody looks
// for those, what is known is all that there is.
const unclosed = (series: string) => `(${sockets(series)} + (${sockets('closewatch_closed_held_sockets')} or vector(0)))`;
const course = (how: string, series: string) => (window: string, ago: string) =>
  `${how}${unclosed(series)}[${window}:5m] offset ${ago})`;

const halved = (before: string, after: string) => `${after} <= bool ${before} / 2`;
const fewer = (before: string, after: string) => `${after} < bool ${before}`;
const more = (before: string, after: string) => `${after} > bool ${before}`;
const above = (limit: number) => (_: string, after: string) => `${after} > bool ${limit}`;
const below = (limit: number) => (_: string, after: string) => `${after} < bool ${limit}`;
const envoy = (name: string) => `service:envoy_cluster_upstream_${name}:rate5m`;

// The series of restarts is there only where there were some; that by workload says whether anybody counts.
const restarts = (window: string, ago: string) =>
  `288 * (sum(sum_over_time(pod:kube_pod_container_status_restarts:increase5m{${WORKLOAD}}[${window}:5m] offset ${ago}))`
  + ` or 0 * ${mean('workload:kube_pod_container_status_restarts:increase1d', WORKLOAD)(window, ago)})`
  + ` / scalar(count_over_time(vector(1)[${window}:5m] offset ${ago}))`;

// The kernel's own, in the pods' namespaces.
const EVENTS = [['listen_drops', 'Connections dropped by accept queues of'], ['retransmission_timeouts', 'Retransmission timeouts of'], ['resets_sent', 'Resets sent by']];

const MEASURES: Measure[] = [
  { name: 'CLOSE_WAIT and held, median', over: course('quantile_over_time(0.5, ', 'closewatch_close_wait_sockets'), target: 'back to 0', met: below(1) },
  { name: 'CLOSE_WAIT and held, at worst', over: course('max_over_time(', 'closewatch_close_wait_sockets'), target: 'halved', met: halved },
  { name: 'Stuck and held, at worst', over: course('max_over_time(', 'closewatch_close_wait_stuck_sockets'), target: 'back to 0', met: below(1) },
  { name: 'Restarts a day', over: restarts, target: 'halved', met: halved, needs: 'kube-state-metrics' },
  { name: '5xx, % of calls', over: share(envoy('rq_5xx'), 'service:envoy_cluster_upstream_rq:rate5m', SERVICE), target: 'fewer', met: fewer, needs: 'Envoy' },
  { name: 'Bursts of 5xx a day', over: aDay((window, ago) => `sum(sum_over_time(service:closewatch_burst:started{${SERVICE}}[${window}] offset ${ago})) / 60 / scalar(count_over_time(vector(1)[${window}:1m] offset ${ago}))`),
    target: 'halved', met: halved, needs: 'Envoy' },
  { name: 'Stream resets a day', over: aDay(mean(envoy('rq_rx_reset'), SERVICE)), target: 'halved', met: halved, needs: 'Envoy' },
  { name: 'Remote closes with a call under way, %', over: share(envoy('cx_destroy_remote_with_active_rq'), envoy('cx_destroy_remote'), SERVICE),
    target: 'below 10', met: below(10), needs: 'Envoy' },
  { name: 'Retries that succeed, %', over: share(envoy('rq_retry_success'), envoy('rq_retry'), SERVICE), target: 'more', met: more, needs: 'Envoy' },
  { name: 'p99 of the slowest service, s', over: (window, ago) => `max(avg_over_time(service:envoy_cluster_upstream_rq_time:p99_5m{${SERVICE}}[${window}] offset ${ago})) / 1000`,
    target: 'lower', met: fewer, needs: 'Envoy' },
  { name: 'Connections ended when idle, a day', over: aDay(mean(envoy('cx_idle_timeout'), SERVICE)), target: 'in force', met: above(0), needs: 'Envoy' },
  { name: 'Connections ended after their last request, a day', over: aDay(mean(envoy('cx_max_requests'), SERVICE)), target: 'in force', met: above(0), needs: 'Envoy' },
  { name: 'Connect timeouts a day', over: aDay(mean(envoy('cx_connect_timeout'), SERVICE)), target: 'fewer', met: fewer, needs: 'Envoy' },
  { name: 'Connections that services announced to close, a day', over: aDay(mean(envoy('cx_close_notify'), SERVICE)), target: 'fewer', met: fewer, needs: 'Envoy' },
  { name: 'Calls that wait for a connection', over: mean('service:envoy_cluster_upstream_rq_pending_active:sum', SERVICE), target: 'fewer', met: fewer, needs: 'Envoy' },
  { name: 'Clients cut off by an Envoy, a day', over: aDay(mean('app:envoy_http_downstream_cx_destroy_local_active_rq:rate5m', CLUSTER)), target: 'fewer', met: fewer, needs: 'Envoy' },
  { name: 'Ingress: p99 of the slowest, s', over: (window, ago) => `max(avg_over_time(ingress:nginx_ingress_controller_request_duration_seconds:p99_5m{${NAMESPACE}}[${window}] offset ${ago}))`,
    target: 'lower', met: fewer, needs: 'ingress-nginx' },
  { name: 'Ingress: success of the worst, %', over: (window, ago) => `100 * min(avg_over_time(ingress:nginx_ingress_controller_requests_succeeded:ratio_rate5m{${NAMESPACE}}[${window}] offset ${ago}))`,
    target: 'more', met: more, needs: 'ingress-nginx' },
  ...EVENTS.map(([event, name]): Measure => ({ name: `${name} its pods, a day`, over: aDay(mean('workload:closewatch_pod_tcp_events:rate5m', `${WORKLOAD},event="${event}"`)),
    target: 'fewer', met: fewer })),
];

const before = ({ over }: Measure) => over('$window', '$before');
const after = ({ over }: Measure) => over('$window', '$after');

const rowsOf = (value: (measure: Measure) => string) => rows(MEASURES.map((measure, at) => labelled(value(measure),
  { row: String(at + 10), measure: measure.name, target: measure.target })).join(' or '));

function compared(title: string, says: string, expr: (ago: string) => string, look: { unit?: string; needs?: Exporter[]; empty?: string }) {
  return lines(title, { says: `${says} Both windows on one time axis, each point the most since the one before.`, timeFrom: '$window', width: 12,
    colours: { before: 'orange', after: 'green' }, dashed: ['before'], calcs: ['mean', 'max'], ...look },
  line(expr('$before'), 'before'), line(expr('$after'), 'after'));
}

// The most of the sum, not the sum of each one's most: they need not come at one time.
const mostOf = (sum: string) => (ago?: string) => `max_over_time(${sum}[$__rate_interval:1m]${ago ? ` offset ${ago}` : ''})`;
const ofServices = (series: string) => mostOf(`sum(${series}{${SERVICE}})`);

export const fix = dashboard('closewatch-fix', 'Fix validation', 'Did the release stop the leak? Two windows, before and after, side by side.', '30d',
  [variables.cluster(), variables.namespace(), variables.workload(), variables.service(),
    variables.choice('window', 'Windows of', ['1h', '6h', '1d', '3d', '7d', '14d'], '7d', 'How long each of the two windows is'),
    variables.choice('before', 'Before ended … ago', ['6h', '12h', '1d', '2d', '3d', '7d', '14d', '16d', '21d', '28d'], '16d', 'Counted back from the end of the time range'),
    variables.choice('after', 'After ended … ago', ['1m', '1h', '6h', '1d', '7d', '14d'], '1m', 'Counted back from the end of the time range')],
  [annotations.alerts(), annotations.rollouts(), annotations.restarts()],
  [
    { title: '', panels: [
      table('Before and after: $window each, ended $before and $after ago', { unit: 'short', says: 'Means over the two windows, unless it says otherwise. Rows of exporters that are absent are missing.', width: 24, height: 23, order: 'row',
        difference: { left: 'Value #B', right: 'Value #A', title: 'Difference' }, columns: [
          { field: 'measure', title: 'Measure', width: 420 },
          { field: 'Value #A', title: 'Before' },
          { field: 'Value #B', title: 'After' },
          { field: 'Difference', title: 'Difference' },
          { field: 'target', title: 'Target', width: 140 },
          { field: 'Value #C', title: 'Met', width: 110, mappings: [{ type: MappingType.ValueToText, options: { 0: { text: 'no', color: 'red' }, 1: { text: 'yes', color: 'green' } } }] } ] },
      rowsOf(before), rowsOf(after), rowsOf((measure) => `(${measure.met(`(${before(measure)})`, `(${after(measure)})`)})`)),
    ] },
    { title: 'The whole time range: choose the windows here', panels: [
      lines('CLOSE_WAIT and stuck', { says: 'Over the whole time range, with alerts in red, rollouts in blue and restarts in orange.', width: 24, height: 7, colours: { CLOSE_WAIT: 'blue', stuck: 'red', held: 'purple' } },
        line(mostOf(sockets('closewatch_close_wait_sockets'))(), 'CLOSE_WAIT'),
        line(mostOf(sockets('closewatch_close_wait_stuck_sockets'))(), 'stuck'),
        line(mostOf(sockets('closewatch_closed_held_sockets'))(), 'held')),
    ] },
    { title: 'Both windows on one axis', panels: [
      compared('CLOSE_WAIT and held', 'Sockets in CLOSE_WAIT, and those that are held after the end of their connections.', mostOf(unclosed('closewatch_close_wait_sockets')), {}),
      compared('Restarts in 24 hours', 'Restarts of containers.', (ago) => `sum(workload:kube_pod_container_status_restarts:increase1d{${WORKLOAD}} offset ${ago})`, { needs: ['kube-state-metrics'] }),
      compared('5xx', 'Failed calls a second.', ofServices(envoy('rq_5xx')), { unit: 'reqps', needs: ['Envoy'] }),
      compared('Stream resets', 'Resets of calls under way.', ofServices(envoy('rq_rx_reset')), { unit: 'ops', needs: ['Envoy'] }),
      compared('p99 of the slowest service', 'Of calls to services.', (ago) => `max(service:envoy_cluster_upstream_rq_time:p99_5m{${SERVICE}} offset ${ago})`, { unit: 'ms', needs: ['Envoy'] }),
      compared('Retries that succeed', 'A share of all retries.', (ago) => `${ofServices(envoy('rq_retry_success'))(ago)} / (${ofServices(envoy('rq_retry'))(ago)} > 0)`, { unit: 'percentunit', needs: ['Envoy'] }),
      compared('Connections ended when idle', 'The idle timeout at work.', ofServices(envoy('cx_idle_timeout')), { unit: 'ops', needs: ['Envoy'] }),
      compared('Connections ended after their last request', 'The limit of requests a connection at work.', ofServices(envoy('cx_max_requests')), { unit: 'ops', needs: ['Envoy'] }),
      compared('Connect timeouts', 'Connections to services that were not made in time.', ofServices(envoy('cx_connect_timeout')), { unit: 'ops', needs: ['Envoy'] }),
      compared('Close notifications', 'Connections that services announced to close.', ofServices(envoy('cx_close_notify')), { unit: 'ops', needs: ['Envoy'] }),
      compared('Calls that wait', 'Calls that wait for a connection.', ofServices('service:envoy_cluster_upstream_rq_pending_active:sum'), { needs: ['Envoy'] }),
      compared('Calls under way', 'Calls to services at the moment.', ofServices('service:envoy_cluster_upstream_rq_active:sum'), { needs: ['Envoy'] }),
      compared('Clients cut off by an Envoy', 'Connections of clients that an Envoy closed with a request on them.', mostOf(`sum(app:envoy_http_downstream_cx_destroy_local_active_rq:rate5m{${CLUSTER}})`), { unit: 'ops', needs: ['Envoy'] }),
      compared('Ingress: p99 of the slowest', 'Of the ingresses of the namespaces.', (ago) => `max(ingress:nginx_ingress_controller_request_duration_seconds:p99_5m{${NAMESPACE}} offset ${ago})`, { unit: 's', needs: ['ingress-nginx'] }),
      compared('Ingress: success of the worst', 'The share of requests that end neither with 4xx nor with 5xx.', (ago) => `min(ingress:nginx_ingress_controller_requests_succeeded:ratio_rate5m{${NAMESPACE}} offset ${ago})`, { unit: 'percentunit', needs: ['ingress-nginx'] }),
      compared('TCP events of its pods', 'Drops of accept queues, retransmission timeouts and resets sent, as the kernel counts them in the pods.', mostOf(`sum(workload:closewatch_pod_tcp_events:rate5m{${WORKLOAD}})`),
        { unit: 'ops', empty: 'The agents tell no TCP events (pods.tcp_events)' }),
    ] },
    { title: '', panels: [
      note('The windows are counted back from the end of the time range. A time range with a fixed end makes a link that will always show the same comparison.', 24, 2),
    ] },
  ]);
