// SPDX-License-Identifier: Apache-2.0
// A dashboard as Grafana would show it: index.html?dashboard=URL&prometheus=URL&from=SECONDS&to=SECONDS[&scrape=SECONDS][&var-NAME=VALUE…]
// The title turns READY when everything is drawn.
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { LoadingState, ThemeContext, createTheme } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';

import { builtIn, interpolate, rangeOf, values } from './variables.mjs';
import { frames, Range } from './frames';
import { Draw, Guard, Mark } from './panel';
import { prepared } from './prepare';

const asked = new URLSearchParams(location.search);
const theme = createTheme({ colors: { mode: asked.get('theme') === 'light' ? 'light' : 'dark' } });
const prometheus = asked.get('prometheus')!;
const whole: Range = { from: Number(asked.get('from')), to: Number(asked.get('to')) };
const scrape = Number(asked.get('scrape') ?? 15);
const width = Number(asked.get('width') ?? 1400);
const CELL = { height: 38, gap: 8 };

function chosen() {
  return Object.fromEntries([...asked].filter(([key]) => key.startsWith('var-')).map(([key, value]) => [key.slice(4), value]));
}

// As often as Prometheus allows, so that what lasts for minutes is seen in a month.
async function marksOf(dashboard: any, variables: Record<string, any>): Promise<Mark[]> {
  const queries = (dashboard.annotations?.list ?? []).filter(({ enable, expr }: any) => enable && expr);
  const found = await Promise.all(queries.map(async ({ expr, iconColor }: any) => {
    const panel = { gridPos: { w: 12 }, maxDataPoints: 10_000, targets: [{ refId: 'A', expr }] };
    const drawn = await frames(prometheus, panel, whole, variables, scrape);
    const begins = drawn.flatMap(({ fields: [time, value] }) => time.values.filter((_: number, at: number) =>
      value.values[at] > 0 && !(value.values[at - 1] > 0)));
    return [...new Set<number>(begins)].map((time) => ({ time: time / 1000, color: theme.visualization.getColorByName(iconColor) }));
  }));
  return found.flat();
}

function Variables({ dashboard, variables }: any) {
  const shown = dashboard.templating.list.filter(({ hide }: any) => !hide);
  return (
    <div style={{ display: 'flex', flexWrap: 'wrap', gap: 8, padding: '0 8px 8px', fontSize: 12 }}>
      {shown.map(({ name, label, type }: any) => (
        <span key={name} style={{ display: 'inline-flex', border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2 }}>
          <span style={{ padding: '4px 8px', background: theme.colors.background.secondary, fontWeight: 500 }}>{label ?? name}</span>
          <span style={{ padding: '4px 8px' }}>{type === 'datasource' ? 'Prometheus' : variables[name] === '.*' ? 'All' : variables[name]}</span>
        </span>))}
    </div>);
}

function Panel({ panel, drawn, marks, range, variables }: any) {
  const cell = (width - CELL.gap) / 24;
  const [w, h] = [panel.gridPos.w * cell - CELL.gap, panel.gridPos.h * CELL.height - CELL.gap];
  const place = { position: 'absolute', left: CELL.gap + panel.gridPos.x * cell, top: panel.gridPos.y * CELL.height, width: w, height: h } as const;
  const replace = (text: string) => interpolate(text, { ...builtIn(range), ...variables });
  if (panel.type === 'row') return <div style={{ ...place, fontSize: 16, fontWeight: 500, lineHeight: `${h}px` }}>⌄ {replace(panel.title)}</div>;
  const shift = panel.timeShift && `${replace(panel.timeFrom ?? '')} ended ${replace(panel.timeShift)} ago`;
  return (
    <div style={place} data-panel={panel.title}>
      <Guard>
        <PanelChrome title={replace(panel.title ?? '')} width={w} height={h} padding={panel.type === 'table' ? 'none' : 'md'}
          loadingState={LoadingState.Done} displayMode={panel.transparent ? 'transparent' : 'default'} hoverHeader={!panel.title} description={panel.description} titleItems={shift && <small style={{ opacity: 0.7 }}>{shift}</small>}>
          {(width, height) => drawn instanceof Error ? <pre>{drawn.message}</pre>
            : drawn.length === 0 && panel.type !== 'text' ? <div style={{ textAlign: 'center', lineHeight: `${height}px` }}>{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>
              : <Draw panel={panel} width={width} height={height} frames={drawn} theme={theme} marks={marks}
                range={rangeOf(panel, range, variables)} replace={replace} />}
        </PanelChrome>
      </Guard>
    </div>);
}

function Dashboard({ dashboard }: any) {
  const [drawn, setDrawn] = useState<any>(null);
  const variables = values(dashboard, chosen());
  useEffect(() => {
    (async () => {
      const replace = (text: string) => interpolate(text, { ...builtIn(whole), ...variables });
      const found: Record<number, unknown> = {};
      for (const panel of dashboard.panels) {
        if (panel.type === 'row') continue;
        found[panel.id] = await frames(prometheus, panel, whole, variables, scrape)
          .then((raw) => prepared(panel, raw, theme, replace)).catch((error) => error);
        if (found[panel.id] instanceof Error) document.body.dataset.broken = `${panel.title}: ${(found[panel.id] as Error).stack}`;
      }
      setDrawn({ panels: found, marks: await marksOf(dashboard, variables) });
    })();
  }, []);
  useEffect(() => {
    if (drawn) setTimeout(() => { document.title = 'READY'; }, 1000);
  }, [drawn]);
  const height = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }: any) => y + h)) * CELL.height;
  return (
    <div id="dashboard" style={{ width, background: theme.colors.background.canvas, color: theme.colors.text.primary }}>
      <h3 style={{ padding: '10px 10px 6px', margin: 0 }}>{dashboard.title}</h3>
      <Variables dashboard={dashboard} variables={variables} />
      <div style={{ position: 'relative', height }}>
        {drawn && dashboard.panels.map((panel: any, at: number) => (
          <Panel key={at} panel={panel} drawn={drawn.panels[panel.id]} marks={drawn.marks} range={whole} variables={variables} />))}
      </div>
    </div>);
}

fetch(asked.get('dashboard')!).then((answer) => answer.json()).then((dashboard) =>
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}><GlobalStyles /><Dashboard dashboard={dashboard} /></ThemeContext.Provider>));
