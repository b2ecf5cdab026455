// SPDX-License-Identifier: Apache-2.0
// The live page as the engineer on call meets it: Chromium before a real agent, `ss` as the reference for every count.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { Agent, Namespace, startBrowser, waitFor } from "./agent.mjs";

const HTML_NAME = "<img src=x onerror=alert(1)>";
const mine = `cwpage-${process.pid}`;

let agent;
let browser;
let cart; // leaks outbound sockets, the worst
let search; // leaks inbound ones, whose data nobody reads
let idle;
let hostile; // whose name is HTML

before(async () => {
  cart = new Namespace("cart");
  search = new Namespace("search");
  idle = new Namespace("idle");
  hostile = new Namespace(HTML_NAME);
  await cart.leak("outbound,close,127.0.0.1,9443,30,0", "<i>owner</i>");
  await search.leak("inbound,read,127.0.0.1,8080,12,100");
  await hostile.leak("inbound,accept,127.0.0.1,8081,5,0");
  agent = await Agent.start(0, "--diagnosis.stuck_after", "1s");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await agent?.stop();
  for (const space of [cart, search, idle, hostile]) await space?.remove();
});

// A page that shows this run's pods only, and fails when it is served something it should not have.
async function open(options = {}, address = agent.url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const origin = new URL(address).origin;
  page.mistakes = [];
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) page.mistakes.push(`a request to ${request.url()}`);
  });
  page.on("pageerror", (error) => page.mistakes.push(`${error}`));
  page.on("dialog", (dialog) => page.mistakes.push(`a dialog: ${dialog.message()}`));
  page.on("console", (message) => {
    const network = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !network) page.mistakes.push(message.text());
  });
  await page.goto(`${address}#${new URLSearchParams({ filter: mine })}`);
  page.end = async () => {
    await context.close();
    assert.deepEqual(page.mistakes, []);
  };
  return page;
}

const rowOf = (page, space) => page.locator("#pods > tr").filter({ hasText: space.name });
const cell = (page, space, column) => rowOf(page, space).locator("td").nth(column - 1);
const names = (page) => page.locator("#pods > tr:visible th a").allTextContents();
const focused = (page) => page.evaluate(() => document.activeElement.textContent);

async function shows(locator, text) {
  await waitFor(async () => (await locator.textContent()) === String(text), `${text}, it is ${await locator.textContent()}`);
}

describe("what it shows", () => {
  test("the counts that ss has", async () => {
    const page = await open();
    for (const space of [cart, search, idle, hostile]) {
      await shows(cell(page, space, 1), space.count("CLOSE-WAIT"));
      await shows(cell(page, space, 10), space.count("ESTAB"));
    }
    assert.equal(cart.count("CLOSE-WAIT"), 30);
    await shows(cell(page, cart, 2), 30); // stuck after a second
    await shows(cell(page, cart, 5), "close");
    await shows(cell(page, cart, 6), "outbound");
    await shows(cell(page, cart, 7), "127.0.0.1:9443 (30)");
    await shows(cell(page, search, 5), "read");
    await shows(cell(page, search, 6), "inbound");
    await shows(cell(page, hostile, 5), "accept");
    await shows(cell(page, hostile, 9), "5 of 5 :8081");
    await shows(cell(page, cart, 11), 0); // held after the end of the connection
    assert.match(await cell(page, cart, 12).textContent(), /^\d+ of \d+/); // descriptors
    assert.match(await cell(page, cart, 3).locator("svg").getAttribute("aria-label"), /30 in this minute/);
    assert.deepEqual(await names(page), [cart, search, hostile, idle].map((space) => space.name));
    await page.end();
  });

  test("sockets as they leak and heal, without a reload", async () => {
    const page = await open();
    await shows(cell(page, idle, 1), 0);
    const leak = await idle.leak("inbound,close,127.0.0.1,7000,7,0");
    await shows(cell(page, idle, 1), 7);
    assert.equal(idle.count("CLOSE-WAIT"), 7);
    await idle.heal(leak);
    await shows(cell(page, idle, 1), 0);
    await shows(cell(page, idle, 2), 0);
    assert.equal(idle.count("CLOSE-WAIT"), 0);
    assert.match(await cell(page, idle, 3).locator("svg").getAttribute("aria-label"), /at most 7/);
    await page.end();
  });

  test("node and agent", async () => {
    const page = await open();
    const health = page.locator("#health");
    await waitFor(async () => /closewatch \d/.test(await health.textContent()), "the agent's version");
    assert.match(await health.textContent(), /node-a/);
    assert.match(await page.locator("header").textContent(), /node-a/);
    await waitFor(async () => /scanned \d+ s ago, every 1 s/.test(await page.locator("#age").textContent()), "the age");
    await page.end();
  });

  test("names that hold HTML as text", async () => {
    const page = await open();
    await shows(rowOf(page, hostile).locator("th a"), hostile.name);
    await rowOf(page, hostile).locator("th a").click();
    await shows(page.locator("dialog h1"), `netns/${hostile.name}`);
    await page.keyboard.press("Escape");
    await rowOf(page, cart).locator("th a").click();
    await page.locator("dialog td", { hasText: "/<i>owner</i>" }).first().waitFor();
    assert.equal(await page.locator("img, i").count(), 0);
    await page.end();
  });
});

describe("what it does", () => {
  test("filters, and keeps the choice in the address", async () => {
    const page = await open();
    await page.locator("#filter").fill(`${mine} outbound`);
    assert.deepEqual(await names(page), [cart.name]);
    assert.match(await page.locator("#shown").textContent(), /^1 of \d+ pods shown$/);
    await page.reload();
    await waitFor(async () => (await names(page)).length === 1, "the filter after a reload");
    await page.locator("#filter").fill(mine);
    await page.locator("#leaking").check();
    assert.ok(!(await names(page)).includes(idle.name));
    await page.end();
  });

  test("the filter for CLOSE_WAIT keeps the node's row while the node has any", async () => {
    const accepted = [];
    const server = net.createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket.resume()));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = net.connect(server.address().port, "127.0.0.1");
    client.end();
    const page = await open();
    await page.locator("#filter").fill("");
    await page.locator("#leaking").check();
    await waitFor(() => page.locator("tr[data-node]").isVisible(), "the node's own socket");
    accepted.forEach((socket) => socket.destroy());
    client.destroy();
    server.close();
    await page.end();
  });

  test("sorts by each column, and a refresh keeps the order", async () => {
    const page = await open();
    const by = (name) => page.getByRole("columnheader", { name }).getByRole("button").click();
    await by("Pod");
    const sorted = [hostile, cart, idle, search].map((space) => space.name);
    const order = [...sorted].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    assert.deepEqual(await names(page), order);
    await by("Accept queue");
    assert.equal((await names(page))[0], hostile.name);
    assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "descending");
    await by("CLOSE_WAIT");
    await by("CLOSE_WAIT");
    const ascending = [idle, hostile, search, cart].map((space) => space.name);
    assert.deepEqual(await names(page), ascending);
    const before = await page.locator("#health").textContent();
    await waitFor(async () => (await page.locator("#health").textContent()) !== before, "a refresh");
    assert.deepEqual(await names(page), ascending);
    await by("CLOSE_WAIT"); // a third time: the agent's own order again
    assert.equal((await names(page))[0], cart.name);
    await page.end();
  });

  test("tells all of a pod on a click, as ss does, and closes", async () => {
    const page = await open();
    await rowOf(page, cart).locator("th a").click();
    const dialog = page.locator("dialog");
    await shows(dialog.locator("h1"), `netns/${cart.name}`);
    const state = (name) => dialog.getByRole("row", { name: new RegExp(`^${name} `) }).locator("td").first();
    for (const [ss, name] of [["CLOSE-WAIT", "close_wait"], ["FIN-WAIT-2", "fin_wait2"], ["LISTEN", "listen"], ["SYN-SENT", "syn_sent"]]) {
      await shows(state(name), cart.count(ss));
    }
    const sockets = dialog.getByRole("table", { name: /^Sockets in CLOSE_WAIT/ }).locator("tbody tr");
    const shown = (await sockets.evaluateAll((rows) => rows.map((row) => `${row.cells[1].textContent} ${row.cells[0].textContent}`))).sort();
    const expected = cart.ss().filter((row) => row[0] === "CLOSE-WAIT").map((row) => `${row[3]} ${row[4]}`).sort();
    assert.deepEqual(shown, expected);
    await dialog.getByRole("button", { name: "Close" }).click();
    assert.equal(await dialog.isVisible(), false);
    await page.end();
  });

  test("the shown pod follows the scans", async () => {
    const page = await open();
    await rowOf(page, idle).locator("th a").click();
    const row = page.locator("dialog").getByRole("row", { name: /^close_wait / }).locator("td").first();
    await shows(row, 0);
    const leak = await idle.leak("inbound,close,127.0.0.1,7001,3,0");
    await shows(row, 3);
    await idle.heal(leak);
    await shows(row, 0);
    await page.end();
  });

  test("works by keyboard alone", async () => {
    const page = await open();
    await page.keyboard.press("/");
    await page.keyboard.type(`${mine}-cart`);
    assert.deepEqual(await names(page), [cart.name]);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("#filter").inputValue(), "");
    await page.keyboard.type(mine);
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(page), cart.name);
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(page), search.name);
    const before = await page.locator("#health").textContent();
    await waitFor(async () => (await page.locator("#health").textContent()) !== before, "a refresh");
    assert.equal(await focused(page), search.name, "a refresh leaves the focus where it was");
    await page.keyboard.press("Enter");
    await shows(page.locator("dialog h1"), `netns/${search.name}`);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("dialog").isVisible(), false);
    assert.equal(await focused(page), search.name);
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
    await page.end();
  });
});

describe("where it works", () => {
  test("without JavaScript: a plain table with links", async () => {
    const page = await open({ javaScriptEnabled: false });
    assert.equal(await cell(page, cart, 1).textContent(), "30");
    assert.equal(await page.locator("#tools").isVisible(), false);
    assert.equal(await page.locator("noscript meta").count(), 1); // it refreshes itself
    await rowOf(page, cart).locator("th a").click();
    assert.equal(await page.locator("h1").textContent(), `netns/${cart.name}`);
    assert.equal(await page.getByRole("row", { name: /^127\.0\.0\.1:9443/ }).count(), 30 + 1); // and its peer
    await page.getByRole("link", { name: "All pods" }).click();
    assert.equal(page.url(), agent.url);
    await page.end();
  });

  test("in the dark", async () => {
    const background = async (colorScheme) => {
      const page = await open({ colorScheme });
      const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      await page.end();
      return colour;
    };
    assert.equal(await background("light"), "rgb(255, 255, 255)");
    assert.equal(await background("dark"), "rgb(16, 21, 27)");
  });

  test("on a phone, with nothing beside the screen", async () => {
    const page = await open({ viewport: { width: 360, height: 740 }, hasTouch: true });
    await shows(cell(page, cart, 1), 30);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth), 360);
    await rowOf(page, cart).locator("th a").click();
    await shows(page.locator("dialog h1"), `netns/${cart.name}`);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth), 360);
    await page.end();
  });

  test("below a path prefix, as kubectl proxy and an ingress have", async () => {
    const prefix = "/api/v1/namespaces/monitoring/pods/closewatch:10088/proxy";
    const beside = [];
    const proxy = http.createServer((request, response) => {
      if (!request.url.startsWith(`${prefix}/`)) beside.push(request.url);
      http.get({ port: agent.port, path: request.url.slice(prefix.length), headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
    });
    await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const page = await open({}, `http://127.0.0.1:${proxy.address().port}${prefix}/`);
    await waitFor(async () => /scanned \d+ s ago/.test(await page.locator("#age").textContent()), "a refresh");
    await rowOf(page, hostile).locator("th a").click();
    await shows(page.locator("dialog h1"), `netns/${hostile.name}`);
    await page.goto(await rowOf(page, cart).locator("th a").evaluate((link) => link.href));
    await page.getByRole("link", { name: "All pods" }).click();
    await shows(cell(page, cart, 1), 30);
    await page.end();
    proxy.closeAllConnections();
    proxy.close();
    assert.deepEqual(beside, []);
  });
});

describe("when something is wrong", () => {
  test("it says that the agent is gone, and goes on when it is back", async () => {
    let other = await Agent.start();
    const page = await open({}, other.url);
    await shows(cell(page, cart, 1), 30);
    await other.stop();
    const gone = page.locator("#gone");
    await waitFor(async () => /does not answer since/.test(await gone.textContent()), "the news that the agent is gone");
    assert.equal(await cell(page, cart, 1).textContent(), "30", "what was known stays");
    other = await Agent.start(other.port);
    await waitFor(async () => (await gone.textContent()) === "", "the news that the agent is back");
    await shows(cell(page, cart, 1), 30);
    await other.stop();
    await page.end();
  });

  test("it says that the data is old, even while an answer is still awaited", async () => {
    const other = await Agent.start();
    const page = await open({}, other.url);
    await shows(cell(page, cart, 1), 30);
    await page.route("**/*", () => {}); // a request that nobody ever answers
    await waitFor(async () => (await page.locator("#age").getAttribute("class")) === "bad", "the age in red");
    assert.match(await page.locator("#age").textContent(), /^scanned [4-9] s ago/);
    await other.stop();
    await page.end();
  });
});
