// SPDX-License-Identifier: Apache-2.0
// The few kinds of panels that the dashboards are made of, so that all look alike.
import * as common from '@grafana/grafana-foundation-sdk/common';
import { Builder } from '@grafana/grafana-foundation-sdk/cog';
import { DynamicConfigValue, FieldColorBuilder, FieldColorModeId, Threshold, ThresholdsConfigBuilder, ThresholdsMode,
  ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as Text } from '@grafana/grafana-foundation-sdk/text';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';

import { DATASOURCE } from './queries.js';

export type Exporter = 'Envoy' | 'ingress-nginx' | 'kube-state-metrics' | 'node_exporter';
type Steps = Record<string, string>;

export interface Look {
  /** What the reader learns from it. */
  says: string;
  /** Whose series it cannot do without, besides closewatch's. */
  needs?: Exporter[];
  unit?: string;
  decimals?: number;
  /** { value: colour }, each from its value on; what is below the first is `base`. */
  thresholds?: Steps;
  base?: string;
  width?: number;
  height?: number;
  /** What an empty panel means, where it is no news. */
  empty?: string;
}

export interface Column {
  /** The label, or the value of the query with that letter: `Value #A`. */
  field: string;
  title: string;
  unit?: string;
  decimals?: number;
  width?: number;
  thresholds?: Steps;
  base?: string;
  link?: string;
  linkTitle?: string;
  mappings?: ValueMapping[];
  /** For links only. */
  hidden?: boolean;
}

/** What `linked` adds. */
export const LINK: Column = { field: 'clusters', title: 'Clusters', hidden: true };
/** Not there without such a label. */
export const IN_CLUSTER: Column = { field: 'cluster', title: 'Cluster', width: 130 };

const NEEDS = (needs: Exporter[] = []) => (needs.length ? ` Needs ${needs.join(' and ')}.` : '');

function steps(thresholds: Steps = {}, base = 'green'): Threshold[] {
  const above = Object.entries(thresholds).map(([value, color]) => ({ value: Number(value), color }));
  return [{ value: null, color: base }, ...above.sort((a, b) => a.value - b.value)];
}

const thresholdsOf = (thresholds?: Steps, base?: string) =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps(thresholds, base));

type AnyPanel = TimeSeries | Stat | Table | BarGauge;

function dressed<T extends AnyPanel>(panel: T, title: string, look: Look, targets: DataqueryBuilder[]): T {
  panel.title(title).description(look.says + NEEDS(look.needs)).datasource(DATASOURCE).height(look.height ?? 8).span(look.width ?? 12);
  targets.forEach((target, at) => panel.withTarget(target.refId(String.fromCharCode(65 + at))));
  if (look.unit) panel.unit(look.unit);
  if (look.decimals !== undefined) panel.decimals(look.decimals);
  if (look.empty) panel.noValue(look.empty);
  return panel;
}

/** Curves over time. With `stacked` they add up; thresholds are drawn as dashed lines. */
export function lines(title: string, look: Look & { stacked?: boolean; calcs?: string[]; colours?: Record<string, string>;
  dashed?: string[]; max?: number; timeFrom?: string }, ...targets: DataqueryBuilder[]) {
  const panel = dressed(new TimeSeries(), title, look, targets)
    .min(0).lineWidth(2).fillOpacity(look.stacked ? 35 : 8).showPoints(common.VisibilityMode.Never).spanNulls(false)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.Table)
      .placement(common.LegendPlacement.Bottom).calcs(look.calcs ?? ['lastNotNull', 'max']))
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic));
  if (look.max !== undefined) panel.max(look.max);
  if (look.timeFrom) panel.timeFrom(look.timeFrom).hideTimeOverride(true);
  if (look.stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  if (look.thresholds) {
    panel.thresholds(thresholdsOf(look.thresholds, 'transparent'))
      .thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  }
  for (const [pattern, colour] of Object.entries(look.colours ?? {})) {
    panel.overrideByRegexp(pattern, [{ id: 'color', value: { mode: 'fixed', fixedColor: colour } }]);
  }
  for (const pattern of look.dashed ?? []) {
    panel.overrideByRegexp(pattern, [{ id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
      { id: 'custom.fillOpacity', value: 0 }]);
  }
  return panel;
}

/** One big number, with its course behind it when the target is drawn over time. */
export function number(title: string, look: Look & { mappings?: ValueMapping[]; plain?: boolean; named?: boolean },
  ...targets: DataqueryBuilder[]) {
  const panel = dressed(new Stat(), title, { width: 4, height: look.plain ? 4 : 5, ...look }, targets)
    .graphMode(look.plain ? common.BigValueGraphMode.None : common.BigValueGraphMode.Area)
    .colorMode(look.thresholds ? common.BigValueColorMode.Value : common.BigValueColorMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .thresholds(thresholdsOf(look.thresholds, look.base));
  if (look.named) panel.textMode(common.BigValueTextMode.ValueAndName);
  if (look.mappings) panel.mappings(look.mappings);
  return panel;
}

/** Rows of labels and values. Several queries are merged by the labels that they share. */
export function table(title: string, look: Look & { columns: Column[]; sort?: string; ascending?: boolean; order?: string;
  difference?: { left: string; right: string; title: string } },
  ...targets: DataqueryBuilder[]) {
  const panel = dressed(new Table(), title, look, targets).cellHeight(common.TableCellHeight.Sm).minWidth(60);
  if (targets.length > 1) panel.withTransformation({ id: 'merge', options: {} });
  if (look.difference) {
    const { left, right, title: alias } = look.difference;
    panel.withTransformation({ id: 'calculateField', options: { mode: 'binary', alias, binary: { left, operator: '-', right } } });
  }
  if (look.order) panel.withTransformation({ id: 'sortBy', options: { fields: {}, sort: [{ field: look.order }] } });
  const kept = look.columns.map(({ field }) => field);
  panel.withTransformation({ id: 'filterFieldsByName', options: { include: { names: kept } } });
  panel.withTransformation({ id: 'organize', options: { excludeByName: {},
    indexByName: Object.fromEntries(kept.map((field, at) => [field, at])),
    renameByName: Object.fromEntries(look.columns.map(({ field, title: shown }) => [field, shown])) } });
  for (const column of look.columns) panel.overrideByName(column.title, propertiesOf(column));
  if (look.sort) panel.sortBy([new common.TableSortByFieldStateBuilder().displayName(look.sort).desc(!look.ascending)]);
  return panel;
}

function propertiesOf({ unit, decimals, width, thresholds, base, link, linkTitle, mappings, hidden }: Column) {
  const properties: DynamicConfigValue[] = [];
  const add = (id: string, value: unknown) => properties.push({ id, value });
  if (unit) add('unit', unit);
  if (decimals !== undefined) add('decimals', decimals);
  if (width) add('custom.width', width);
  if (hidden) add('custom.hidden', true);
  if (mappings) add('mappings', mappings);
  if (thresholds) add('thresholds', { mode: 'absolute', steps: steps(thresholds, base) });
  if (thresholds || mappings) add('custom.cellOptions', { type: 'color-text' });
  if (link) add('links', [{ title: linkTitle ?? '', url: link }]);
  return properties;
}

/** One bar for each series. */
export function bars(title: string, look: Look & { min?: number; max?: number }, ...targets: DataqueryBuilder[]) {
  const panel = dressed(new BarGauge(), title, look, targets)
    .orientation(common.VizOrientation.Horizontal).displayMode(common.BarGaugeDisplayMode.Basic)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .thresholds(thresholdsOf(look.thresholds, look.base));
  if (look.min !== undefined) panel.min(look.min);
  if (look.max !== undefined) panel.max(look.max);
  return panel;
}

export function note(content: string, width: number, height: number) {
  return new Text().title('').transparent(true).content(content).span(width).height(height);
}

export type Panel = Builder<import('@grafana/grafana-foundation-sdk/dashboard').Panel>;
