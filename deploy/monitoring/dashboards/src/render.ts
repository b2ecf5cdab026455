// SPDX-License-Identifier: Apache-2.0
// Writes the dashboards into the directory given, and which of their panels need what into the page given; with --check it only
// says whether they are up to date.
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';

import { agent } from './agent.js';
import { fix } from './fix.js';
import { fleet } from './fleet.js';
import { impact } from './impact.js';
import { pod } from './pod.js';

// What Grafana 10.0 understands, without migrations to do; newer ones migrate it.
const SCHEMA_VERSION = 38;

const BEGIN = '<!-- generated:exporters (scripts/dashboards) -->\n';
const END = '<!-- end -->';
const ALL = [fleet, pod, fix, impact, agent];

const [directory, page, check] = process.argv.slice(2);
const drifted: string[] = [];
const wanted = new Map(ALL.map((made) => {
  let id = 1;
  const panels = made.panels?.map((panel) => ({ ...panel, id: id++ }));
  return [`${made.uid}.json`, `${JSON.stringify({ ...made, schemaVersion: SCHEMA_VERSION, panels }, null, 1)}\n`];
}));

for (const [name, text] of wanted) {
  const path = `${directory}/${name}`;
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  if (check) drifted.push(name);
  else writeFileSync(path, text);
}
for (const name of readdirSync(directory).filter((one) => one.endsWith('.json') && !wanted.has(one))) {
  if (check) drifted.push(name);
  else rmSync(`${directory}/${name}`);
}

function exporters() {
  const lines = ['| dashboard | panel | needs |', '|---|---|---|'];
  for (const made of ALL) {
    for (const panel of made.panels ?? []) {
      const needed = 'description' in panel && /Needs ([^.]+)\.$/.exec(panel.description ?? '');
      if (needed) lines.push(`| ${made.title?.split(' / ')[1]} | ${panel.title} | ${needed[1]} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const text = readFileSync(page, 'utf8');
const [head, rest] = text.split(BEGIN);
const written = `${head}${BEGIN}${exporters()}${rest.slice(rest.indexOf(END))}`;
if (written !== text) {
  if (check) drifted.push(page);
  else writeFileSync(page, written);
}

if (drifted.length) {
  console.error(`${drifted.join(', ')}: not up to date: run scripts/dashboards`);
  process.exitCode = 1;
}
