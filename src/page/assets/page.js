// SPDX-License-Identifier: Apache-2.0
// Sorts, filters and refreshes what the agent has written. Every number and name is the server's HTML, taken over as it is.
"use strict";

const table = () => document.getElementById("table");
const tools = document.getElementById("tools");

if (tools) startOverview();
else followAgent(takeOverLiveParts);

function takeOverLiveParts(page) {
  for (const part of page.querySelectorAll("[data-live]")) {
    document.getElementById(part.id)?.replaceChildren(...part.childNodes);
  }
}

function startOverview() {
  const filter = document.getElementById("filter");
  const leaking = document.getElementById("leaking");
  const state = { column: null, ascending: false }; // null: the agent's own order, the worst first
  let detail = null; // the link whose pod is shown

  tools.hidden = false;
  document.querySelector("noscript")?.remove();
  readAddress();
  arrange();

  tools.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", onChoice);
  leaking.addEventListener("change", onChoice);
  document.addEventListener("keydown", onKey);
  table().addEventListener("click", onClick);
  const dialog = makeDialog();
  followAgent(takeOver);

  function onChoice() {
    arrange();
    writeAddress();
  }

  // --- The address keeps the choices, so that a link shows what its sender saw.

  function readAddress() {
    const choices = new URLSearchParams(location.hash.slice(1));
    filter.value = choices.get("filter") ?? "";
    leaking.checked = choices.has("leaking");
    if (choices.has("sort")) {
      state.column = choices.get("sort");
      state.ascending = choices.has("ascending");
    }
  }

  function writeAddress() {
    const choices = new URLSearchParams();
    if (filter.value) choices.set("filter", filter.value);
    if (leaking.checked) choices.set("leaking", "");
    if (state.column !== null) choices.set("sort", state.column);
    if (state.column !== null && state.ascending) choices.set("ascending", "");
    const hash = choices.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  // --- Order and filter

  function rows() {
    return [...table().querySelectorAll("#pods > tr")];
  }

  function arrange() {
    makeHeadsButtons();
    sortRows();
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    const pods = rows().filter((row) => !("node" in row.dataset));
    for (const row of rows()) {
      const text = row.textContent.toLowerCase();
      const leaks = !leaking.checked || Number(row.cells[1]?.dataset.v) > 0;
      row.hidden = !(leaks && words.every((word) => text.includes(word)));
      if (!row.hidden && !("node" in row.dataset)) shown += 1;
    }
    document.getElementById("shown").textContent = `${shown} of ${pods.length} pods shown`;
  }

  function heads() {
    return [...table().querySelectorAll("table.pods > thead th")];
  }

  function makeHeadsButtons() {
    for (const head of heads()) {
      let button = head.querySelector("button");
      if (!button) {
        button = document.createElement("button");
        button.type = "button";
        button.textContent = head.textContent;
        head.replaceChildren(button);
      }
      if (button.textContent !== state.column) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
    }
  }

  function sortRows() {
    const index = heads().findIndex((head) => head.textContent === state.column);
    const body = document.getElementById("pods");
    if (!body) return;
    rows().forEach((row, place) => (row.dataset.place ??= place));
    const isNumber = heads()[index]?.dataset.sort === "number";
    const value = (row) => {
      const cell = row.cells[index];
      return isNumber ? Number(cell.dataset.v) : cell.textContent;
    };
    const byValue = (a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = isNumber ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
      return state.ascending ? order : -order;
    };
    // What was not counted and the node have no values: they stay last.
    const last = (row) => ("node" in row.dataset ? 2 : index > 0 && "unseen" in row.dataset ? 1 : 0);
    const byPlace = (a, b) => a.dataset.place - b.dataset.place;
    const order = (a, b) =>
      last(a) - last(b) || (index >= 0 && last(a) === 0 ? byValue(a, b) : 0) || byPlace(a, b);
    body.append(...rows().sort(order));
  }

  function sortBy(name) {
    const first = name === "Pod"; // names begin with a, numbers with the largest
    if (state.column !== name) Object.assign(state, { column: name, ascending: first });
    else if (state.ascending === first) state.ascending = !first;
    else state.column = null;
    onChoice();
    heads().find((head) => head.textContent === name)?.querySelector("button").focus();
  }

  // --- Mouse and keyboard

  function onClick(event) {
    const head = event.target.closest("thead button");
    if (head) {
      sortBy(head.textContent);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.shiftKey || String(getSelection())) return;
    const link = event.target.closest("tbody tr")?.querySelector("th a");
    if (!link) return;
    event.preventDefault();
    openDetail(link);
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const typing = document.activeElement === filter;
    if (event.key === "/" && !typing) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "Escape" && typing) {
      filter.value = "";
      onChoice();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    }
  }

  function move(step) {
    const links = rows().filter((row) => !row.hidden).map((row) => row.querySelector("th a")).filter(Boolean);
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
    if (next < 0) filter.focus();
    else links[Math.min(next, links.length - 1)]?.focus();
  }

  // --- One pod

  function makeDialog() {
    const made = document.createElement("dialog");
    made.setAttribute("aria-label", "One pod");
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = "Close";
    close.addEventListener("click", () => made.close());
    const content = document.createElement("div");
    content.tabIndex = -1;
    made.append(close, content);
    made.addEventListener("click", (event) => {
      if (event.target === made) made.close(); // beside it
    });
    made.addEventListener("close", () => {
      const key = detail.closest("tr").dataset.key;
      detail = null;
      content.replaceChildren();
      // This comes later than the browser's own return of the focus to where it was, and by then somebody may have moved on. Only
      // where a refresh has replaced the row in between nothing has it.
      if (document.activeElement === document.body) rowOf(key)?.querySelector("th a").focus();
    });
    document.body.append(made);
    return made;
  }

  function rowOf(key) {
    return rows().find((row) => row.dataset.key === key);
  }

  async function openDetail(link) {
    detail = link;
    dialog.lastElementChild.textContent = "…";
    dialog.showModal();
    await showDetail();
  }

  async function showDetail() {
    const shown = detail;
    let content;
    try {
      const answer = await get(shown.href);
      content = answer.ok ? parse(await answer.text()).querySelector("#pod") : await answer.text();
    } catch {
      return; // the overview says that the agent is gone
    }
    if (detail !== shown) return;
    const [top, left] = [dialog.scrollTop, dialog.scrollLeft];
    dialog.lastElementChild.replaceChildren(content);
    dialog.scrollTo(left, top);
  }

  // --- The next snapshot

  function takeOver(page) {
    const focused = document.activeElement?.closest?.("#pods tr")?.dataset.key;
    const focusedHead = document.activeElement?.closest?.("thead th")?.textContent;
    takeOverLiveParts(page);
    arrange();
    if (focused !== undefined) rowOf(focused)?.querySelector("th a")?.focus({ preventScroll: true });
    if (focusedHead !== undefined) {
      heads().find((head) => head.textContent === focusedHead)?.querySelector("button").focus({ preventScroll: true });
    }
    if (detail) {
      const row = rowOf(detail.closest("tr").dataset.key);
      if (row) detail = row.querySelector("th a");
      showDetail();
    }
  }
}

// Asks for a page of the agent's.
function get(address) {
  return fetch(address, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

// Calls `takeOver` with each new page, and says how old the shown one is and when the agent does not answer.
function followAgent(takeOver) {
  const RETRY_MS = 5_000;
  const LONGEST_MS = 60_000;
  let scannedAt = null; // by this browser's own stopwatch
  let interval = null;
  let answeredAt = null;
  let failing = null;
  let timer = null;
  let running = false;

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  setInterval(tell, 1_000);
  refresh();

  async function refresh() {
    if (running) return;
    running = true;
    clearTimeout(timer);
    try {
      const answer = await get(location.pathname);
      if (!answer.ok) throw new Error(`the agent answers with status ${answer.status}`);
      const page = parse(await answer.text());
      const seconds = (name) => (answer.headers.has(name) ? Number(answer.headers.get(name)) : null);
      const age = seconds("Closewatch-Scan-Age");
      interval = seconds("Closewatch-Scan-Interval");
      answeredAt = new Date();
      scannedAt = age === null ? null : performance.now() - age * 1_000;
      failing = null;
      takeOver(page);
    } catch (error) {
      failing = error instanceof TypeError || error.name === "TimeoutError" ? "the agent does not answer" : error.message;
    }
    running = false;
    tell();
    // A hidden page costs the agent nothing; it asks when it is looked at again.
    if (!document.hidden) timer = setTimeout(refresh, untilNext());
  }

  // Half a second after the next scan should be done.
  function untilNext() {
    if (failing !== null || scannedAt === null) return RETRY_MS;
    const due = scannedAt + interval * 1_000 + 500 - performance.now();
    return Math.min(Math.max(due, 1_000), LONGEST_MS);
  }

  function tell() {
    const age = scannedAt === null ? null : Math.round((performance.now() - scannedAt) / 1_000);
    const gone = document.getElementById("gone");
    const since = answeredAt === null ? "" : ` since ${answeredAt.toLocaleTimeString()}; what is below is from before`;
    const sentence = failing === null ? "" : `Not live: ${failing}${since}. Asking again.`;
    if (gone.textContent !== sentence) gone.textContent = sentence;
    gone.className = failing === null ? "" : "notice bad";
    if (age === null) return;
    const late = interval !== null && age > 3 * interval;
    const line = document.getElementById("age");
    line.textContent = `scanned ${age} s ago, every ${interval} s`;
    line.className = late || failing !== null ? "bad" : "quiet";
  }
}
