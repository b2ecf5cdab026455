// SPDX-License-Identifier: Apache-2.0
// What the tests of the page share: a running closewatch, namespaces with known sockets, Chromium, and patience.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const HOLDERS = path.resolve(import.meta.dirname, "../system");
const DEADLINE_MS = 30_000;
const PYTHON = "/usr/bin/python3";

// The first true value of `condition()`; generous, because machines can be busy.
export async function waitFor(condition, what) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `waited in vain for ${what}`);
    await sleep(50);
  }
}

async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) {
    await new Promise((resolve) => child.once("exit", resolve));
  }
}

// `closewatch serve`, which unless `flags` say otherwise scans every second whatever that costs; takes each namespace for a
// pod.
export class Agent {
  static async start(port = 0, ...flags) {
    const agent = new Agent();
    const eager = flags.includes("--scan.interval") ? [] : ["--scan.interval", "1s", "--scan.cpu_budget", "1"];
    const command = ["serve", "--web.listen-address", `127.0.0.1:${port}`, "--pods.discovery", "standalone",
      "--metadata.node", "node-a", ...eager, ...flags];
    agent.child = spawn(process.env.CLOSEWATCH_BIN, command, { stdio: ["ignore", "ignore", "pipe"] });
    const log = [];
    agent.port = await new Promise((resolve, reject) => {
      readline.createInterface({ input: agent.child.stderr }).on("line", (line) => {
        log.push(line);
        const told = /serves on 127\.0\.0\.1:(\d+)/.exec(line);
        if (told) resolve(Number(told[1]));
      }).on("close", () => reject(new Error(`the agent ended:\n${log.join("\n")}`)));
    });
    agent.url = `http://127.0.0.1:${agent.port}/`;
    await waitFor(async () => (await fetch(`${agent.url}readyz`)).ok, "the first scan");
    return agent;
  }

  // The numbers of the process that scans and of its child that talks to the network; the one that was started waits.
  workers() {
    const child = (pid) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
    const scanner = child(this.child.pid);
    return [scanner, child(scanner)];
  }

  async stop() {
    this.child.kill("SIGTERM");
    await ended(this.child);
  }
}

// A named network namespace. Its name may hold anything but a slash.
export class Namespace {
  constructor(label) {
    this.name = `cwpage-${process.pid}-${label}`;
    this.holders = [];
    execFileSync("ip", ["netns", "add", this.name]);
    execFileSync("ip", ["-n", this.name, "link", "set", "lo", "up"]);
  }

  // Holds sockets in CLOSE_WAIT as tests/system/hold_close_wait.py understands them; `comm` renames the process.
  async leak(kind, comm = "") {
    const rename = comm ? `open("/proc/self/comm", "w").write(${JSON.stringify(comm)}); ` : "";
    const program = `import runpy, sys; sys.path.insert(0, ${JSON.stringify(HOLDERS)}); ${rename}` +
      `sys.argv = ["", ${JSON.stringify(kind)}]; runpy.run_path(${JSON.stringify(`${HOLDERS}/hold_close_wait.py`)}, ` +
      `run_name="__main__")`;
    const child = spawn("ip", ["netns", "exec", this.name, PYTHON, "-B", "-c", program],
      { stdio: ["pipe", "pipe", "inherit"] });
    this.holders.push(child);
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("exit", () => reject(new Error(`no sockets: ${kind}`)));
    });
    return child;
  }

  async heal(holder) {
    holder.stdin.end();
    await ended(holder);
    this.holders = this.holders.filter((other) => other !== holder);
  }

  // Rows of `ss`: state, queues, local, remote.
  ss() {
    const text = execFileSync("ss", ["-N", this.name, "-tanH"], { encoding: "utf8" });
    return text.split("\n").filter(Boolean).map((line) => line.trim().split(/\s+/));
  }

  count(state) {
    return this.ss().filter((row) => row[0] === state).length;
  }

  async remove() {
    for (const holder of [...this.holders]) await this.heal(holder);
    execFileSync("ip", ["netns", "delete", this.name]);
  }
}

export function startBrowser() {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}
