// SPDX-License-Identifier: Apache-2.0
// Takes a picture of each dashboard: node shoot.mjs PROMETHEUS FROM TO SCRAPE DIRECTORY BUILT NAME[?var-x=y]…
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import puppeteer from 'puppeteer-core';

const [prometheus, from, to, scrape, directory, built, ...wanted] = process.argv.slice(2);
const DASHBOARDS = `${import.meta.dirname}/../../../helm/closewatch/dashboards`;
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css', json: 'application/json' };

const server = createServer(async ({ url }, answer) => {
  const path = new URL(url, 'http://here').pathname;
  const file = path.endsWith('.json') ? DASHBOARDS + path : path === '/index.html' ? import.meta.dirname + path : built + path;
  try {
    const text = await readFile(file);
    answer.writeHead(200, { 'content-type': TYPES[path.split('.').pop()] ?? 'application/octet-stream' }).end(text);
  } catch {
    answer.writeHead(404).end();
  }
}).listen(0, '127.0.0.1');
await new Promise((ready) => server.once('listening', ready));

// By a pipe, so that it ends with this process however that ends.
const browser = await puppeteer.launch({ executablePath: '/usr/bin/chromium', pipe: true, args: ['--no-sandbox', '--hide-scrollbars'] });
let broken = 0;
for (const one of wanted) {
  const [name, variables = ''] = one.split('?');
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`${name}: ${error}`));
  await page.setViewport({ width: 1400, height: 900 });
  const asked = new URLSearchParams({ dashboard: `/${name}.json`, prometheus, from, to, scrape });
  await page.goto(`http://127.0.0.1:${server.address().port}/index.html?${asked}&${variables}`, { timeout: 120_000 });
  await page.waitForFunction(() => ['READY', 'FAILED'].includes(document.title), { timeout: 240_000 });
  const { height } = await (await page.$('#dashboard')).boundingBox();
  await page.setViewport({ width: 1400, height: Math.ceil(height) });
  // What the larger viewport shows must have been painted.
  await page.evaluate(() => new Promise((done) => { setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 1000); }));
  const failed = await page.evaluate(() => document.body.dataset.broken ?? (document.title === 'FAILED' && document.body.innerText));
  if (failed) {
    console.error(`${name}: ${failed}`);
    broken += 1;
  }
  await page.screenshot({ path: `${directory}/${name.replace('closewatch-', 'dashboard-')}.png`, captureBeyondViewport: false });
  await page.close();
}
await browser.close();
server.close();
process.exitCode = broken ? 1 : 0;
