// What the page does: the filter, the views, the explanations of the squares, the opened case.
// The state of the page is its URL's fragment, so that every sight of it can be sent to somebody.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

const index = JSON.parse($("#index").textContent);
const byId = new Map(index.map((entry) => [entry.case_id, entry]));
const FIELDS = ["source", "sink", "strategy", "verdict", "q"];
const form = $("#filter"), dialog = $("#case"), tip = $("#tip");
const squares = $$(".square");

// ------------------------------------------------------------------ the state

const read = () => new URLSearchParams(location.hash.slice(1));

/** Return the fragment for the present state with some parts changed; an empty value removes a part. */
function fragment(changes) {
  const state = read();
  for (const [name, value] of Object.entries(changes)) {
    if (value) state.set(name, value);
    else state.delete(name);
  }
  return `#${state}`;
}

function replace(changes) {
  history.replaceState(history.state, "", fragment(changes));
  show();
}

function show() {
  const state = read();
  const views = $$("section[data-view]").map((section) => section.dataset.view);
  const view = views.includes(state.get("view")) ? state.get("view") : "matrix";
  for (const section of $$("section[data-view]")) section.hidden = section.dataset.view !== view;
  for (const link of $$(".views a")) {
    link.href = fragment({ view: link.dataset.view, case: "" });
    link.toggleAttribute("aria-current", link.dataset.view === view);
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
  }
  form.hidden = view === "types";
  filter(state);
  open(state.get("case"));
}

// ------------------------------------------------------------------ the filter

function filter(state) {
  const wanted = Object.fromEntries(FIELDS.map((name) => [name, state.get(name) ?? ""]));
  for (const name of FIELDS) {
    const field = form.elements[name];
    if (field.value !== wanted[name]) field.value = wanted[name];
    field.classList.toggle("set", Boolean(field.value));
  }
  const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = (entry) =>
    (!wanted.source || entry.source === wanted.source) &&
    (!wanted.sink || entry.sink === wanted.sink) &&
    (!wanted.strategy || entry.strategy === wanted.strategy) &&
    (!wanted.verdict || entry.mark === wanted.verdict) &&
    words.every((word) => entry.words.includes(word));
  const shown = new Set(index.filter(passes).map((entry) => entry.case_id));
  const idle = FIELDS.every((name) => !wanted[name]);
  form.classList.toggle("idle", idle);
  form.classList.toggle("on", !idle);
  $("#shown").textContent = idle ? `${index.length} shown` : `${shown.size} of ${index.length} shown`;
  for (const square of squares) square.classList.toggle("out", !shown.has(square.dataset.case));
  for (const item of $$("li[data-case]")) item.hidden = !shown.has(item.dataset.case);
  for (const none of $$(".nothing")) none.hidden = $$("li[data-case]:not([hidden])", none.parentElement).length > 0;
  for (const total of $$(".total")) {
    total.href = fragment({ verdict: total.dataset.verdict, case: "" });
    if (total.dataset.verdict === wanted.verdict && !(idle && total.dataset.verdict)) total.setAttribute("aria-current", "true");
    else total.removeAttribute("aria-current");
  }
  for (const item of $$(".key li[data-strategy]")) {
    const name = item.dataset.strategy, chosen = name === wanted.strategy;
    $("a", item).href = fragment({ strategy: chosen ? "" : name, case: "" });
    item.classList.toggle("same", chosen);
  }
  sumStages(shown);
}

/** Show the seconds per stage of the shown cases alone. */
function sumStages(shown) {
  const rows = $$("tr[data-stage]");
  const spent = Object.fromEntries(rows.map((row) => [row.dataset.stage, 0]));
  for (const entry of index) {
    if (!shown.has(entry.case_id)) continue;
    for (const [stage, value] of Object.entries(entry.seconds ?? {})) spent[stage] += value;
  }
  const values = Object.values(spent), all = values.reduce((a, b) => a + b, 0), most = Math.max(...values, 0);
  for (const row of rows) {
    const value = spent[row.dataset.stage];
    row.cells[1].textContent = value.toFixed(1);
    row.cells[2].textContent = `${all ? Math.round((100 * value) / all) : 0} %`;
    const bar = $(".bar i", row.cells[3]);
    if (bar) bar.style.width = `${most ? (100 * value) / most : 0}%`;
  }
}

form.addEventListener("input", () => replace(Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value.trim()]))));
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  replace(Object.fromEntries(FIELDS.map((name) => [name, ""])));
  form.elements.q.focus();
});

// ------------------------------------------------------------------ the grid: keys and explanations

let current = squares.find((square) => square.classList.contains("failed")) ?? squares[0];
current.tabIndex = 0;

function step(from, key) {
  if (key === "Home" || key === "End") return key === "Home" ? squares[0] : squares.at(-1);
  const here = from.getBoundingClientRect();
  const across = key === "ArrowLeft" || key === "ArrowRight", sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  let best = null, least = Infinity;
  for (const square of squares) {
    const there = square.getBoundingClientRect();
    const x = there.left - here.left, y = there.top - here.top;
    const along = sign * (across ? x : y), aside = Math.abs(across ? y : x);
    if (along < 2 || (across && aside > 2)) continue;
    const distance = along + 4 * aside;
    if (distance < least) [best, least] = [square, distance];
  }
  if (best || !across) return best;
  return squares[squares.indexOf(from) + sign] ?? null;
}

$(".grid").addEventListener("keydown", (event) => {
  if (!event.target.matches(".square") || !/^(Arrow|Home|End)/.test(event.key)) return;
  event.preventDefault();
  const next = step(event.target, event.key);
  if (next) next.focus();
});

function explain(square) {
  const entry = byId.get(square.dataset.case);
  const facts = [entry.mark_words];
  if (entry.total) facts.push(`${entry.total.toFixed(2)} s`);
  if (entry.rows_per_second) facts.push(`${Math.round(entry.rows_per_second).toLocaleString("en")} rows/s`);
  const title = document.createElement("b"), first = document.createElement("p");
  title.textContent = entry.case_id;
  first.textContent = facts.join(", ");
  tip.replaceChildren(title, first);
  if (entry.reason) {
    const why = document.createElement("p");
    why.textContent = entry.reason;
    tip.append(why);
  }
  tip.hidden = false;
  const at = square.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const below = at.bottom + 8 + size.height < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(at.left - 8, innerWidth - size.width - 8))}px`;
  tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - 8 - size.height)}px`;
  square.setAttribute("aria-describedby", "tip");
  for (const item of $$(".key li")) if (item.dataset.strategy) item.classList.toggle("same", item.dataset.strategy === entry.strategy);
}

function hush() {
  tip.hidden = true;
  for (const square of $$(".square[aria-describedby]")) square.removeAttribute("aria-describedby");
  const chosen = read().get("strategy");
  for (const item of $$(".key li[data-strategy]")) item.classList.toggle("same", item.dataset.strategy === chosen);
}

for (const square of squares) {
  square.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && explain(square));
  square.addEventListener("pointerleave", hush);
  square.addEventListener("focus", () => {
    current.tabIndex = -1;
    current = square;
    current.tabIndex = 0;
    if (square.matches(":focus-visible")) explain(square);
  });
  square.addEventListener("blur", hush);
  square.addEventListener("click", () => (location.hash = fragment({ case: square.dataset.case })));
}
addEventListener("keydown", (event) => event.key === "Escape" && hush());
addEventListener("scroll", () => !tip.hidden && hush(), { passive: true });
for (const item of $$(".key li[data-strategy]")) {
  const mark = (on) => {
    for (const square of squares) square.classList.toggle("same", on && byId.get(square.dataset.case).strategy === item.dataset.strategy);
  };
  item.addEventListener("pointerenter", () => mark(true));
  item.addEventListener("pointerleave", () => mark(false));
  item.addEventListener("focusin", () => mark(true));
  item.addEventListener("focusout", () => mark(false));
}

// ------------------------------------------------------------------ an opened case

let opened = "", opener = null;

/** Return the details of a case: HTML, compressed by the report and unpacked here, without any request. */
async function detail(id) {
  const packed = Uint8Array.from(atob($(`#detail-${CSS.escape(id)}`).textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function open(id) {
  const known = byId.has(id) ? id : "";
  if (known === opened) return;
  opened = known;
  if (!known) {
    dialog.close();
    return;
  }
  opener = document.activeElement;
  const html = await detail(known);
  if (opened !== known) return;
  hush();
  const sheet = $(".sheet", dialog);
  sheet.innerHTML = html;
  for (const part of $$(".statements", sheet)) part.addEventListener("toggle", () => colour(part), { once: true });
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  $("#case-title").focus();
}

function colour(part) {
  for (const block of $$("code[class^=language-]", part)) hljs.highlightElement(block);
}

dialog.addEventListener("close", () => {
  if (opened) location.hash = fragment({ case: "" });
  opened = "";
  if (opener?.isConnected) opener.focus();
});
dialog.addEventListener("click", async (event) => {
  if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    copy.textContent = "Copied";
  }
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (!link) return;
  event.preventDefault();
  location.hash = fragment({ case: link.closest("[data-case]").dataset.case });
});

// ------------------------------------------------------------------ the theme

const themes = ["", "light", "dark"], theme = $("#theme");

function dress(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  theme.textContent = `Theme: ${name || "auto"}`;
}
theme.addEventListener("click", () => {
  const name = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "") + 1) % themes.length];
  dress(name);
});

$(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  current.focus();
});
addEventListener("hashchange", show);
hljs.configure({ ignoreUnescapedHTML: true, languages: ["sql", "json"] });
show();
