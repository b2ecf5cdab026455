// SPDX-License-Identifier: Apache-2.0
// From bursts to money, each factor a variable. A variable may also be a PromQL expression that gives a scalar.
import { dashboard, variables } from './dashboard.js';
import { lines, note, number, table } from './panels.js';
import { CLUSTER, SERVICE, labelled, line, now, rows } from './queries.js';

interface Burst {
  rate: string;
}

const failed = ({ rate }: Burst) => `(($calls) * (($${rate}) - ($baseline)) / 100 * ($duration))`;
const pagesOf = (calls: string) => `(${calls} / ($calls_per_page))`;
const sessionsOf = (calls: string) => `(${pagesOf(calls)} * ($abandon) / 100)`;
const revenueOf = (calls: string) => `(${sessionsOf(calls)} * ($value))`;
const profitOf = (calls: string) => `(${revenueOf(calls)} * ($margin) / 100)`;
const ONE = failed({ rate: 'error_rate' });

const SCENARIOS = [
  { row: '1', scenario: 'Low', bursts: '$low_bursts', rate: 'low_rate', reach: '$low_reach' },
  { row: '2', scenario: 'Middle', bursts: '$bursts', rate: 'error_rate', reach: '$reach' },
  { row: '3', scenario: 'High', bursts: '$high_bursts', rate: 'high_rate', reach: '$high_reach' },
];
type Scenario = typeof SCENARIOS[number];

const perScenario = (value: (scenario: Scenario) => string) => rows(SCENARIOS.map((one) =>
  labelled(`vector(${value(one)})`, { row: one.row, scenario: one.scenario })).join(' or '));
const monthly = (of: (calls: string) => string) => (one: Scenario) => `(${of(failed(one))} * (${one.bursts}) * (${one.reach}))`;

// Failed calls over the baseline while a burst goes on, in the whole time range.
const MEASURED = `(sum(sum_over_time(service:closewatch_burst_excess_5xx:rate5m{${SERVICE}}[$__range:5m])) * 300)`;
const BURSTS = `sum(sum_over_time(service:closewatch_burst:started{${SERVICE}}[$__range]))`;
const ACTIVE = `sum(sum_over_time(service:closewatch_burst:active{${SERVICE}}[$__range:1m])) * 60`;
const DURING = `(service:envoy_cluster_upstream_rq:rate5m{${SERVICE}} and service:closewatch_burst:over{${SERVICE}} == 1)`;
const OVER = (series: string) => `sum(sum_over_time((${series}{${SERVICE}} and service:closewatch_burst:over{${SERVICE}} == 1)[$__range:5m]))`;

const factors: { row: string; factor: string; model: string; measured: string }[] = [
  { row: '1', factor: 'Calls a second at peak', model: '$calls', measured: `max_over_time(sum(service:envoy_cluster_upstream_rq:rate5m{${SERVICE}})[$__range:5m])` },
  { row: '2', factor: 'Calls that fail in a burst, %', model: '$error_rate',
    measured: `100 * ${OVER('service:envoy_cluster_upstream_rq_5xx:rate5m')} / sum(sum_over_time(${DURING}[$__range:5m]))` },
  { row: '3', factor: 'Calls that fail otherwise, %', model: '$baseline',
    measured: `100 * sum(avg_over_time(service:envoy_cluster_upstream_rq_5xx:baseline{${SERVICE}}[$__range])) / sum(avg_over_time(service:envoy_cluster_upstream_rq:rate5m{${SERVICE}}[$__range]))` },
  { row: '4', factor: 'A burst lasts, s', model: '$duration', measured: `${ACTIVE} / (${BURSTS} > 0)` },
  { row: '5', factor: 'Calls a page', model: '$calls_per_page', measured: `avg(avg_over_time(app:envoy_upstream_calls_per_page:ratio_rate5m{${CLUSTER},app=~"$app"}[$__range]))` },
  { row: '6', factor: 'Bursts in 30 days', model: '$bursts', measured: `${BURSTS} * 30 * 86400 / $__range_s` },
  { row: '7', factor: 'Bursts that came with a leak, %', model: '$leak_share',
    measured: `100 * sum(closewatch:burst_attribution:ratio{${CLUSTER},class=~"leak|both"})` },
];

const money = { unit: 'currencyUSD', plain: true };
const whole = { unit: 'locale', decimals: 0, plain: true };

export const impact = dashboard('closewatch-impact', 'Impact', 'What bursts of 5xx cost: calls, pages, sessions, revenue, profit.', '30d',
  [variables.cluster(), variables.service(), variables.app(),
    variables.number('calls', 'Calls a second', '4700', 'Upstream calls a second at peak'),
    variables.number('error_rate', 'Fail in a burst, %', '1.5', 'Share of upstream calls that fail during a burst'),
    variables.number('baseline', 'Fail otherwise, %', '0.05', 'Share of upstream calls that fail at any time'),
    variables.number('duration', 'A burst lasts, s', '1800', 'From the first error to the restart that ends it'),
    variables.number('calls_per_page', 'Calls a page', '23', 'Upstream calls for one page; the table below has what was measured'),
    variables.number('abandon', 'Leave, %', '30', 'Share of the sessions with a failed page that end with it'),
    variables.number('value', 'A session is worth, $', '2.37', 'Revenue by session'),
    variables.number('margin', 'Margin, %', '25', 'Profit as a share of revenue'),
    variables.number('leak_share', 'By leaks, %', '100', 'Share of the bursts that leaks cause; the table below has what was measured'),
    variables.number('bursts', 'Bursts a month', '10', 'Middle scenario'),
    variables.number('reach', 'Reach', '1.4', 'Traffic of all regions, as a multiple of the calls above'),
    variables.number('low_bursts', 'Low: bursts', '6', 'Bursts a month in the low scenario'),
    variables.number('low_rate', 'Low: fail, %', '1', 'Share of calls that fail in the low scenario'),
    variables.number('low_reach', 'Low: reach', '1', 'Reach in the low scenario'),
    variables.number('high_bursts', 'High: bursts', '15', 'Bursts a month in the high scenario'),
    variables.number('high_rate', 'High: fail, %', '2', 'Share of calls that fail in the high scenario'),
    variables.number('high_reach', 'High: reach', '1.4', 'Reach in the high scenario')],
  [],
  [
    { title: 'One burst', panels: [
      number('Failed calls', { says: 'Calls a second × share that fails beyond the baseline × duration.', ...whole, width: 5 }, now(`vector(${ONE})`, 'calls')),
      number('Failed pages', { says: 'Failed calls ÷ calls a page.', ...whole, width: 5 }, now(`vector(${pagesOf(ONE)})`, 'pages')),
      number('Lost sessions', { says: 'Failed pages × share that leaves.', ...whole, width: 5 }, now(`vector(${sessionsOf(ONE)})`, 'sessions')),
      number('Revenue at risk', { says: 'Lost sessions × what a session is worth.', ...money, width: 5 }, now(`vector(${revenueOf(ONE)})`, 'revenue')),
      number('Profit at risk', { says: 'Revenue × margin.', ...money, width: 4 }, now(`vector(${profitOf(ONE)})`, 'profit')),
    ] },
    { title: 'A month', panels: [
      table('Three scenarios', { says: 'One burst × bursts a month × reach. Of it, leaks cause the share given above.', width: 24, height: 5, order: 'row', columns: [
        { field: 'scenario', title: 'Scenario', width: 120 },
        { field: 'Value #A', title: 'Bursts a month', decimals: 0 },
        { field: 'Value #B', title: 'Fail in a burst', unit: 'percent', decimals: 1 },
        { field: 'Value #C', title: 'Reach', decimals: 1 },
        { field: 'Value #D', title: 'Sessions a month', unit: 'locale', decimals: 0 },
        { field: 'Value #E', title: 'Revenue a month', unit: 'currencyUSD', decimals: 1 },
        { field: 'Value #F', title: 'Profit a month', unit: 'currencyUSD', decimals: 1 },
        { field: 'Value #G', title: 'Profit a year', unit: 'currencyUSD', decimals: 0 },
        { field: 'Value #H', title: 'Of it by leaks', unit: 'currencyUSD', decimals: 0 } ] },
      perScenario(({ bursts }) => bursts), perScenario(({ rate }) => `$${rate}`), perScenario(({ reach }) => reach), perScenario(monthly(sessionsOf)),
      perScenario(monthly(revenueOf)), perScenario(monthly(profitOf)), perScenario((one) => `${monthly(profitOf)(one)} * 12`),
      perScenario((one) => `${monthly(profitOf)(one)} * 12 * ($leak_share) / 100`)),
    ] },
    { title: 'Measured in the time range', panels: [
      number('Bursts', { says: 'Bursts of 5xx that began in the time range, over all services chosen.', needs: ['Envoy'], ...whole, width: 4 }, now(BURSTS, 'bursts')),
      number('Failed calls', { says: 'Calls that failed beyond the baseline while a burst went on.', needs: ['Envoy'], ...whole, width: 4 }, now(MEASURED, 'calls')),
      number('Failed pages', { says: 'Failed calls ÷ calls a page.', needs: ['Envoy'], ...whole, width: 4 }, now(pagesOf(MEASURED), 'pages')),
      number('Lost sessions', { says: 'Failed pages × share that leaves.', needs: ['Envoy'], ...whole, width: 4 }, now(sessionsOf(MEASURED), 'sessions')),
      number('Revenue at risk', { says: 'Lost sessions × what a session is worth.', needs: ['Envoy'], ...money, width: 4 }, now(revenueOf(MEASURED), 'revenue')),
      number('Profit at risk', { says: 'Revenue × margin.', needs: ['Envoy'], ...money, width: 4 }, now(profitOf(MEASURED), 'profit')),
      table('The model beside what was measured', { says: 'Type a measured value into its variable to use it.', needs: ['Envoy'], width: 10, height: 9, order: 'row', columns: [
        { field: 'factor', title: 'Factor', width: 260 }, { field: 'Value #A', title: 'Model', unit: 'locale' }, { field: 'Value #B', title: 'Measured', unit: 'locale' } ] },
      rows(factors.map(({ row, factor, model }) => labelled(`vector(${model})`, { row, factor })).join(' or ')),
      rows(factors.map(({ row, factor, measured }) => labelled(measured, { row, factor })).join(' or '))),
      lines('Failed calls beyond the baseline, while bursts go on', { says: 'A second, by service.', needs: ['Envoy'], unit: 'reqps', width: 14, height: 9, calcs: ['max'] },
        line(`max_over_time(service:closewatch_burst_excess_5xx:rate5m{${SERVICE}}[$__rate_interval])`, '{{service}}')),
    ] },
    { title: '', panels: [
      note('Not counted: that sessions at the checkout are worth more than the mean, slow pages outside bursts, load that retries add, visitors who never come back.', 24, 2),
    ] },
  ]);
