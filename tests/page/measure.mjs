// SPDX-License-Identifier: Apache-2.0
// What open pages cost an agent, in CPU time of its process and in memory. Prints Markdown.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, Namespace, startBrowser, waitFor } from "./agent.mjs";

const NAMESPACES = 110;
const LEAKING = 5;
const PAGES = 50;
const SECONDS = 300;
const TICKS_PER_SECOND = 100; // sysconf(_SC_CLK_TCK) on every Linux

function cpuSeconds(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function mebibytes(pid, what) {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${what}:\\s+(\\d+)`, "m").exec(status)[1]) / 1024;
}

// Of the scans until now: their CPU, and when the last of them was.
async function scans(agent) {
  const text = await (await fetch(`${agent.url}metrics`)).text();
  const value = (name) => Number(new RegExp(`^closewatch_scan_${name} (\\S+)`, "m").exec(text)[1]);
  return { cpu: value("cpu_seconds_total"), last: value("timestamp_seconds") };
}

// Of both its processes that do something.
function sumOf(measure, agent) {
  return agent.workers().reduce((sum, pid) => sum + measure(pid), 0);
}

// CPU of the agent, and of this that of its scans, as shares of one core; the latter from scan to scan.
async function observe(agent) {
  const before = { process: sumOf(cpuSeconds, agent), ...(await scans(agent)) };
  await sleep(SECONDS * 1000);
  const after = { process: sumOf(cpuSeconds, agent), ...(await scans(agent)) };
  return [
    (100 * (after.process - before.process)) / SECONDS,
    (100 * (after.cpu - before.cpu)) / (after.last - before.last),
  ];
}

const spaces = [];
let agent;
let browser;
try {
  for (let i = 0; i < NAMESPACES; i += 1) spaces.push(new Namespace(`measure-${i}`));
  for (let i = 0; i < LEAKING; i += 1) await spaces[i].leak(`inbound,close,127.0.0.1,8080,${100 * (i + 1)},0`);
  agent = await Agent.start(0, "--scan.interval", "10s", "--scan.cpu_budget", "0.01");
  await sleep(15_000); // past the first scans, which learn
  const [aloneCpu, aloneScans] = await observe(agent);
  const aloneMemory = sumOf((pid) => mebibytes(pid, "VmRSS"), agent);

  browser = await startBrowser();
  let answers = 0;
  const context = await browser.newContext();
  context.on("response", () => (answers += 1));
  for (let i = 0; i < PAGES; i += 1) {
    const page = await context.newPage();
    await page.goto(agent.url);
    // Every fifth has a pod open, the way people look.
    if (i % 5 === 0) await page.locator("#pods th a").nth(Math.floor(i / 5) % LEAKING).evaluate((link) => link.click());
  }
  await waitFor(() => answers > 4 * PAGES, "all pages to be there");
  answers = 0;
  const [openCpu, openScans] = await observe(agent);
  const html = await (await fetch(agent.url)).text();
  const packed = await (await fetch(agent.url, { headers: { "Accept-Encoding": "gzip" } })).headers.get("content-length");
  const row = (name, cpu, scans, memory, requests) =>
    console.log(`| ${name} | ${cpu.toFixed(2)} % | ${scans.toFixed(2)} % | ${memory.toFixed(1)} | ${requests} |`);
  console.log(`${NAMESPACES} namespaces, ${LEAKING} of them with 100 to ${100 * LEAKING} sockets in CLOSE_WAIT; ${SECONDS} s each.\n`);
  console.log("| open pages | CPU of the agent, of one core | of this for scans | memory, MiB resident | answers |\n|---|---|---|---|---|");
  row("none", aloneCpu, aloneScans, aloneMemory, 0);
  row(`${PAGES}, every fifth with a pod open`, openCpu, openScans, sumOf((pid) => mebibytes(pid, "VmRSS"), agent), answers);
  console.log(`\nThe page is ${Math.round(html.length / 1024)} KiB, ${Math.round(packed / 1024)} KiB as it is sent. ` +
    `The agent's memory was ${sumOf((pid) => mebibytes(pid, "VmHWM"), agent).toFixed(1)} MiB at the most.`);
} finally {
  await browser?.close();
  await agent?.stop();
  for (const space of spaces) await space.remove();
}
