// SPDX-License-Identifier: Apache-2.0
// Targets of panels, and the selectors that a dashboard's variables make.
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';

export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

// A variable set to All is `.*`, which also finds what has no such label: without a `cluster` label all is one cluster.
export const CLUSTER = 'cluster=~"$cluster"';
export const NAMESPACE = `${CLUSTER},namespace=~"$namespace"`;
export const WORKLOAD = `${NAMESPACE},workload=~"$workload"`;
export const POD = `${NAMESPACE},pod="$pod"`;
export const SERVICE = `${CLUSTER},service=~"$service"`;
export const NODE = `${CLUSTER},node=~"$node",instance=~"$agent"`;

/** Drawn over time. */
export const line = (expr: string, legend: string) =>
  new DataqueryBuilder().datasource(DATASOURCE).expr(expr).legendFormat(legend).range();

/** Its value at the end of the time range. */
export const now = (expr: string, legend = '') =>
  new DataqueryBuilder().datasource(DATASOURCE).expr(expr).legendFormat(legend).instant();

/** Its series at the end of the time range, each a row. */
export const rows = (expr: string) =>
  new DataqueryBuilder().datasource(DATASOURCE).expr(expr).format(PromQueryFormat.Table).instant();

// Two agents tell of one pod while the DaemonSet is being updated, and two replicas of Prometheus always: the greater
// counts, never both.
export const once = (metric: string, selector: string, ...labels: string[]) =>
  `max by (${['cluster', 'namespace', 'pod', ...labels].join(', ')}) (${metric}{${selector}})`;

/** Only those pods that belong to the chosen workloads, with the label `workload`. */
export const ofWorkloads = (expr: string) => `${expr} * on (cluster, namespace, pod) group_left (workload) `
  + `topk by (cluster, namespace, pod) (1, max by (cluster, namespace, pod, workload) (pod:closewatch_workload:info{${WORKLOAD}}))`;

/** With a label that a link can always take for the variable `cluster`: without a `cluster` label that is All. */
export const linked = (expr: string) =>
  `label_replace(label_replace(${expr}, "clusters", ".*", "", ""), "clusters", "$1", "cluster", "(.+)")`;

/** A constant row of a table: the expression must have no labels. */
export const labelled = (expr: string, labels: Record<string, string>) => Object.entries(labels).reduce(
  (inner, [name, value]) => `label_replace(${inner}, "${name}", "${value}", "", "")`, expr);
