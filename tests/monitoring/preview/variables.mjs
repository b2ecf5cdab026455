// SPDX-License-Identifier: Apache-2.0
// Puts a dashboard's variables and Grafana's own into its queries, as Grafana does for Prometheus.

/** The value that each variable has when the dashboard is opened; `chosen` overrules. */
export function values(dashboard, chosen = {}) {
  const found = {};
  for (const variable of dashboard.templating?.list ?? []) {
    const { name, allValue, includeAll, current, query } = variable;
    const opened = current?.value ?? (variable.type === 'custom' ? query.split(',')[0].trim() : query);
    const value = chosen[name] ?? (includeAll ? '$__all' : opened);
    found[name] = value === '$__all' ? (allValue ?? '.*') : value;
  }
  return found;
}

/** A duration as Prometheus writes it, in seconds. */
export function seconds(duration) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
  return [...duration.matchAll(/(\d+)(ms|[smhdwy])/g)].reduce((sum, [, count, unit]) => sum + count * units[unit], 0);
}

/** Grafana's own variables for a time range {from, to} in seconds and a scrape interval. */
export function builtIn(range, step = 15, scrape = 15) {
  const whole = Math.round(range.to - range.from);
  return { __interval: `${step}s`, __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`, __range: `${whole}s`,
    __range_s: `${whole}`, __from: `${range.from * 1000}`, __to: `${range.to * 1000}` };
}

/** `text` with $name, ${name} and ${name:format} replaced; an unknown name is an error. $1 is Prometheus' own. */
export function interpolate(text, known) {
  return text.replace(/\$(?:([A-Za-z_]\w*)|\{(\w+)(?::\w+)?\})/g, (whole, bare, braced) => {
    const value = known[bare ?? braced];
    if (value === undefined) throw new Error(`${whole} is no variable: ${text}`);
    return Array.isArray(value) ? `(${value.join('|')})` : value;
  });
}

/** All panels, those of collapsed rows included. */
export function panels(dashboard) {
  return dashboard.panels.flatMap((panel) => (panel.type === 'row' ? panel.panels ?? [] : [panel]));
}

/** The time range of one panel, which may look at a time of its own. */
export function rangeOf(panel, range, known) {
  const shift = panel.timeShift ? seconds(interpolate(panel.timeShift, known)) : 0;
  const length = panel.timeFrom ? seconds(interpolate(panel.timeFrom, known)) : range.to - range.from;
  return { from: range.to - shift - length, to: range.to - shift };
}
