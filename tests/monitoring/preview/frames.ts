// SPDX-License-Identifier: Apache-2.0
// What Prometheus answers, as the data frames that Grafana's data source for Prometheus makes of it.
import { DataFrame, FieldType, Labels, toDataFrame } from '@grafana/data';

import { builtIn, interpolate, rangeOf } from './variables.mjs';

export type Range = { from: number; to: number };
type Sample = [number, string];
type Series = { metric: Labels; value?: Sample; values?: Sample[] };

async function ask(prometheus: string, path: string, asked: Record<string, string>): Promise<Series[]> {
  const answer = await (await fetch(`${prometheus}/api/v1/${path}`, { method: 'POST', body: new URLSearchParams(asked) })).json();
  if (answer.status !== 'success') throw new Error(`${answer.error}: ${asked.query}`);
  return answer.data.result;
}

function nameOf(legend: string | undefined, labels: Labels) {
  if (legend && legend !== '__auto') return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, key) => labels[key] ?? '');
  const { __name__, ...rest } = labels;
  const inside = Object.entries(rest).map(([key, value]) => `${key}="${value}"`).join(', ');
  return (__name__ ?? '') + (inside ? `{${inside}}` : '') || 'Value';
}

function table(refId: string, value: string, series: Series[]) {
  const keys = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].filter((key) => key !== '__name__').sort();
  return toDataFrame({ refId, fields: [
    { name: 'Time', type: FieldType.time, values: series.map((one) => one.value![0] * 1000) },
    ...keys.map((key) => ({ name: key, type: FieldType.string, values: series.map(({ metric }) => metric[key] ?? '') })),
    { name: value, type: FieldType.number, values: series.map((one) => Number(one.value![1])) }] });
}

// Where a series has no sample for a step the line is broken, as Grafana does it.
function line(refId: string, legend: string | undefined, { metric, values, value }: Series, step: number, range: Range) {
  const found = new Map((values ?? [value!]).map(([time, number]) => [Math.round(time), Number(number)]));
  const name = nameOf(legend, metric);
  const times = values ? Array.from({ length: Math.floor((range.to - range.from) / step) + 1 }, (_, i) => range.from + i * step)
    : [...found.keys()];
  return toDataFrame({ refId, name, fields: [
    { name: 'Time', type: FieldType.time, values: times.map((time) => time * 1000), config: { interval: step * 1000 } },
    { name: 'Value', type: FieldType.number, labels: metric, config: { displayNameFromDS: name },
      values: times.map((time) => { const at = found.get(Math.round(time)); return at === undefined || Number.isNaN(at) ? null : at; }) }] });
}

export async function frames(prometheus: string, panel: any, whole: Range, variables: Record<string, any>, scrape: number): Promise<DataFrame[]> {
  const points = panel.maxDataPoints ?? Math.max(60, Math.min(600, panel.gridPos.w * 40));
  const asked = rangeOf(panel, whole, variables);
  const step = Math.ceil((asked.to - asked.from) / points / scrape) * scrape;
  const range = { from: Math.floor(asked.from / step) * step, to: Math.floor(asked.to / step) * step };
  const known = { ...builtIn(asked, step, scrape), ...variables };
  const answers = await Promise.all((panel.targets ?? []).map(async (target: any) => {
    const query = interpolate(target.expr, known);
    if (target.instant && !target.range) {
      const series = await ask(prometheus, 'query', { query, time: String(asked.to) });
      if (target.format === 'table') return [table(target.refId, panel.targets.length > 1 ? `Value #${target.refId}` : 'Value', series)];
      return series.map((one) => line(target.refId, target.legendFormat, one, step, range));
    }
    const series = await ask(prometheus, 'query_range', { query, start: `${range.from}`, end: `${range.to}`, step: `${step}` });
    return series.map((one) => line(target.refId, target.legendFormat, one, step, range));
  }));
  return answers.flat().filter((frame) => frame.length > 0);
}
