// SPDX-License-Identifier: Apache-2.0
// One panel, drawn by the components that Grafana's own panels are made of.
import { Component, ReactNode } from 'react';
import {
  DataFrame, Field, FieldType, GrafanaTheme2, TimeRange, VizOrientation, dateTime, reduceField, renderTextPanelMarkdown,
} from '@grafana/data';
import {
  BarGauge, BarGaugeDisplayMode, BigValue, BigValueColorMode, BigValueGraphMode, BigValueTextMode, LegendDisplayMode, TimeSeries,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

import { Range } from './frames';

export type Mark = { time: number; color: string };
type Drawn = { panel: any; width: number; height: number; frames: DataFrame[]; theme: GrafanaTheme2 };

function timeRange({ from, to }: Range): TimeRange {
  const [begin, end] = [dateTime(from * 1000), dateTime(to * 1000)];
  return { from: begin, to: end, raw: { from: begin, to: end } };
}

// Grafana draws annotations in a plugin that it does not publish: a dashed line with a triangle at its foot.
function drawMarks(marks: Mark[]) {
  return ({ ctx, bbox, valToPos }: any) => {
    for (const { time, color } of marks) {
      const x = valToPos(time * 1000, 'x', true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.save();
      Object.assign(ctx, { strokeStyle: color, fillStyle: color, globalAlpha: 0.7 });
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + bbox.height - 8);
      ctx.lineTo(x - 5, bbox.top + bbox.height);
      ctx.lineTo(x + 5, bbox.top + bbox.height);
      ctx.fill();
      ctx.restore();
    }
  };
}

function Lines({ panel, width, height, frames, range, marks }: Drawn & { range: Range; marks: Mark[] }) {
  const legend = panel.options?.legend ?? { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] };
  return (
    <TimeSeries frames={frames} timeRange={timeRange(range)} timeZone="utc" width={width} height={height} legend={legend}
      options={panel.options} structureRev={1}>
      {(builder) => { builder.addHook('draw', drawMarks(marks)); return null; }}
    </TimeSeries>);
}

function reduced(panel: any, frames: DataFrame[]) {
  const calc = panel.options?.reduceOptions?.calcs?.[0] ?? 'lastNotNull';
  return frames.flatMap((frame) => frame.fields.filter(({ type }) => type === FieldType.number).map((field: Field) => (
    { frame, field, value: field.display!(reduceField({ field, reducers: [calc] })[calc]), title: field.state!.displayName! })));
}

function Stats({ panel, width, height, frames, theme }: Drawn) {
  const found = reduced(panel, frames);
  const { colorMode = 'value', graphMode = 'area', textMode = 'auto' } = panel.options ?? {};
  const sideways = width > height * 1.5 || found.length === 1;
  const [w, h] = sideways ? [width / found.length, height] : [width, height / found.length];
  return (
    <div style={{ display: 'flex', flexDirection: sideways ? 'row' : 'column', width, height }}>
      {found.map(({ frame, field, value, title }, at) => (
        <BigValue key={at} width={w - 2} height={h - 2} theme={theme} count={found.length} colorMode={colorMode as BigValueColorMode}
          graphMode={graphMode as BigValueGraphMode} textMode={textMode as BigValueTextMode}
          value={{ ...value, title: found.length > 1 || textMode === 'value_and_name' ? title : undefined }}
          sparkline={graphMode !== 'none' && frame.length > 1 ? { y: field, x: frame.fields[0] } : undefined} />))}
    </div>);
}

function Bars({ panel, width, height, frames, theme }: Drawn) {
  const found = reduced(panel, frames);
  const most = Math.max(...found.map(({ title }) => title.length));
  const factors = { title: 'm'.repeat(most * 0.8), text: '000000000' };
  return (
    <div>
      {found.map(({ field, value, title }, at) => (
        <BarGauge key={at} theme={theme} width={width} height={Math.min(36, height / found.length - 6)} itemSpacing={6}
          orientation={VizOrientation.Horizontal} displayMode={panel.options.displayMode as BarGaugeDisplayMode} isOverflow={false}
          field={field.config} display={field.display} value={{ ...value, title }} alignmentFactors={factors} showUnfilled />))}
    </div>);
}

export function Draw(drawn: Drawn & { range: Range; marks: Mark[]; replace: (text: string) => string }) {
  const { panel, frames, width, height, replace } = drawn;
  switch (panel.type) {
    case 'text': return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderTextPanelMarkdown(replace(panel.options.content)) }} />;
    case 'timeseries': return <Lines {...drawn} />;
    case 'stat': return <Stats {...drawn} />;
    case 'bargauge': return <Bars {...drawn} />;
    case 'table': return <TableNG data={frames[0]} width={width} height={height} fieldConfig={panel.fieldConfig}
      initialSortBy={panel.options?.sortBy} cellHeight={panel.options?.cellHeight} enableVirtualization={false} />;
    default: throw new Error(`no way to draw a panel of type ${panel.type}`);
  }
}

export class Guard extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  render() {
    if (!this.state.error) return this.props.children;
    document.body.dataset.broken = String(this.state.error.stack);
    return <pre>{String(this.state.error.stack)}</pre>;
  }
}
