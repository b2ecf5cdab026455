// SPDX-License-Identifier: Apache-2.0
// What all dashboards have in common: data source, variables, links to each other, annotations.
import {
  AnnotationQueryBuilder, CustomVariableBuilder, Dashboard, DashboardBuilder, DashboardCursorSync, DashboardLinkBuilder,
  DashboardLinkType, DatasourceVariableBuilder, QueryVariableBuilder, RowBuilder, TextBoxVariableBuilder, VariableRefresh, VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';

import { LINK, Panel } from './panels.js';
import { CLUSTER, DATASOURCE, NAMESPACE, WORKLOAD } from './queries.js';

type Variable = QueryVariableBuilder | CustomVariableBuilder | TextBoxVariableBuilder | DatasourceVariableBuilder;

export interface Section {
  title: string;
  panels: Panel[];
}

function labelValues(name: string, label: string, series: string, key: string, about = '') {
  return new QueryVariableBuilder(name).label(label).description(about).datasource(DATASOURCE)
    .query({ qryType: 1, query: `label_values(${series}, ${key})`, refId: 'PrometheusVariableQueryEditor-VariableQuery' })
    .refresh(VariableRefresh.OnTimeRangeChanged).sort(VariableSort.NaturalAsc);
}

const all = (variable: QueryVariableBuilder) =>
  variable.multi(true).includeAll(true).allValue('.*').current({ selected: true, text: ['All'], value: ['$__all'] });

export const variables = {
  datasource: () => new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
  cluster: () => all(labelValues('cluster', 'Cluster', 'closewatch_build_info', 'cluster')),
  namespace: () => all(labelValues('namespace', 'Namespace', `closewatch_pod_info{${CLUSTER}}`, 'namespace')),
  workload: () => all(labelValues('workload', 'Workload', `pod:closewatch_workload:info{${NAMESPACE}}`, 'workload')),
  pod: () => labelValues('pod', 'Pod', `closewatch_pod_info{${NAMESPACE}}`, 'pod'),
  service: () => all(labelValues('service', 'Service', `service:envoy_cluster_upstream_rq:rate5m{${CLUSTER}}`, 'service',
    'The service as Envoy names it')),
  app: () => all(labelValues('app', 'Pages of', `app:envoy_http_downstream_rq_completed:rate5m{${CLUSTER}}`, 'app',
    'Who renders pages and calls the services for it')),
  node: () => all(labelValues('node', 'Node', `closewatch_build_info{${CLUSTER}}`, 'node')),
  agent: () => all(labelValues('agent', 'Agent', `closewatch_build_info{${CLUSTER},node=~"$node"}`, 'instance')),
  number: (name: string, label: string, value: string, about: string) =>
    new TextBoxVariableBuilder(name).label(label).defaultValue(value).description(about)
      .current({ selected: true, text: value, value }),
  choice: (name: string, label: string, values: string[], chosen: string, about: string) =>
    new CustomVariableBuilder(name).label(label).values(values.join(',')).description(about)
      .current({ selected: true, text: chosen, value: chosen })
      .options(values.map((value) => ({ selected: value === chosen, text: value, value }))),
};

function annotation(name: string, colour: string, expr: string, title: string, text: string, enabled = true) {
  return new AnnotationQueryBuilder().name(name).datasource(DATASOURCE).enable(enabled).iconColor(colour).expr(expr).step('60s')
    .titleFormat(title).textFormat(text);
}

export const annotations = {
  alerts: (selector = CLUSTER) => annotation('Alerts', 'red',
    `ALERTS{alertname=~"Closewatch.*",alertstate="firing",${selector}}`, '{{alertname}}', '{{namespace}}/{{pod}} {{container}}'),
  rollouts: (selector = WORKLOAD) => annotation('Rollouts', 'blue',
    `workload:closewatch_rollout:ratio{${selector}} >= 0.2`, 'Rollout', '{{namespace}}/{{workload}}'),
  restarts: (selector = WORKLOAD) => annotation('Restarts', 'orange',
    `sum by (cluster, namespace, workload) (pod:kube_pod_container_status_restarts:increase5m{${selector}}) > 0`, 'Containers restarted',
    '{{namespace}}/{{workload}}'),
};

const LINKS = new DashboardLinkBuilder('closewatch').type(DashboardLinkType.Dashboards).tags(['closewatch']).icon('external link')
  .includeVars(true).keepTime(true);

export function dashboard(uid: string, title: string, about: string, time: string, shown: Variable[],
  annotated: AnnotationQueryBuilder[], sections: Section[]): Dashboard {
  const made = new DashboardBuilder(`closewatch / ${title}`).uid(uid).description(about).tags(['closewatch']).timezone('browser')
    .time({ from: `now-${time}`, to: 'now' }).refresh('1m').tooltip(DashboardCursorSync.Crosshair).link(LINKS)
    .variables([variables.datasource(), ...shown]);
  annotated.forEach((one) => made.annotation(one));
  for (const section of sections) {
    if (section.title) made.withRow(new RowBuilder(section.title));
    section.panels.forEach((panel) => made.withPanel(panel));
  }
  return made.build();
}

/** To another dashboard, about what is in this row, whose query is `linked`; the time range comes along. */
export const to = (uid: string, chosen: Record<string, string>) =>
  `/d/${uid}?\${datasource:queryparam}&${Object.entries({ cluster: LINK.title, ...chosen }).map(([name, field]) =>
    `var-${name}=\${__data.fields["${field}"]}`).join('&')}&\${__url_time_range}`;
