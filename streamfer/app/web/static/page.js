// The live page: one WebSocket carries every stream; this file decides what is shown.

import { showEvent } from "./events.js";
import { Single } from "./single.js";
import { Grid } from "./tiles.js";

const byId = (id) => document.getElementById(id);

const state = { streams: [], chosen: null, overlay: true, socket: null, retry_ms: 500 };
const grid = new Grid(byId("grid"), choose);
const single = new Single(byId("single"));

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    state.socket = socket;
    state.retry_ms = 500;
    watched = "";
    document.body.classList.remove("away");
    watch();
  });
  socket.addEventListener("message", ({ data }) => {
    if (typeof data === "string") tell(JSON.parse(data));
    else frame(data);
  });
  socket.addEventListener("close", () => {
    state.socket = null;
    document.body.classList.add("away");
    byId("summary").textContent = "the program does not answer; trying again …";
    setTimeout(connect, state.retry_ms);
    state.retry_ms = Math.min(state.retry_ms * 2, 8000);
  });
}

let watched = "";
function watch() {
  const wish = state.chosen === null
    ? { tiles: document.hidden ? [] : state.streams.map((s) => s.stream), stream: null }
    : { tiles: [], stream: document.hidden ? null : state.chosen };
  const text = JSON.stringify({ watch: wish });
  if (!state.socket || text === watched) return;
  watched = text;
  state.socket.send(text);
}

async function frame(data) {
  const length = new DataView(data).getUint32(0);
  const record = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const { socket } = state;
  try {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    if (record.stream === state.chosen) single.draw(record, bitmap, state.overlay);
    else if (state.chosen === null && grid.tiles.has(record.stream)) grid.tile(record.stream).draw(record, bitmap, state.overlay);
    bitmap.close();
  } finally {
    // A picture that cannot be shown must not be the last one.
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: record.stream }));
  }
}

function tell(message) {
  if (message.type === "event") showEvent(byId("events"), message);
  if (message.type !== "status") return;
  state.streams = message.streams;
  const running = message.streams.filter((s) => s.fps > 0);
  byId("summary").textContent =
    `${message.streams.length} stream${message.streams.length === 1 ? "" : "s"}, ` +
    `${running.reduce((sum, s) => sum + s.fps, 0).toFixed(1)} frames/s${message.backend ? ` on ${message.backend} (${message.device})` : ""}`;
  if (state.chosen !== null && !state.streams.some((s) => s.stream === state.chosen)) choose(null);
  grid.update(state.streams);
  const status = state.streams.find((s) => s.stream === state.chosen);
  if (status) single.show(status);
  watch();
}

function choose(stream) {
  state.chosen = stream;
  single.begin(stream);
  byId("grid").hidden = stream !== null;
  byId("single").hidden = stream === null;
  const hash = stream === null ? "" : `#${encodeURIComponent(stream)}`;
  if (location.hash !== hash) history.pushState(null, "", hash || location.pathname);
  grid.arrange();
  watch();
}

function fromAddress() {
  const stream = decodeURIComponent(location.hash.slice(1)) || null;
  if (stream !== state.chosen) choose(stream);
}

function step(by) {
  if (state.chosen === null || !state.streams.length) return;
  const names = state.streams.map((s) => s.stream);
  choose(names[(names.indexOf(state.chosen) + by + names.length) % names.length]);
}

function showAdding(shown) {
  byId("adding").hidden = !shown;
  byId("add").setAttribute("aria-expanded", String(shown));
  if (shown) byId("adding").elements.source.focus();
}

function setOverlay(shown) {
  state.overlay = shown;
  byId("overlay").checked = shown;
}

async function add(event) {
  event.preventDefault();
  const form = byId("adding");
  const wish = { source: form.elements.source.value };
  if (form.elements.name.value) wish.name = form.elements.name.value;
  byId("problem").textContent = "";
  const problem = await ask("api/streams", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish),
  });
  byId("problem").textContent = problem;
  if (!problem) {
    form.reset();
    showAdding(false);
  }
}

async function remove() {
  if (state.chosen === null || !window.confirm(`Stop watching ${state.chosen}? Its outputs are completed.`)) return;
  const problem = await ask(`api/streams/${encodeURIComponent(state.chosen)}`, { method: "DELETE" });
  if (problem) byId("summary").textContent = problem;
  choose(null);
}

/** Asks the API; answers with what is wrong, in words, or with nothing. */
async function ask(path, request) {
  try {
    const answer = await fetch(path, request);
    return answer.ok ? "" : (await answer.json().catch(() => ({}))).error ?? (answer.statusText || `error ${answer.status}`);
  } catch {
    return "the program does not answer";
  }
}

byId("home").addEventListener("click", () => choose(null));
byId("overlay").addEventListener("change", () => setOverlay(byId("overlay").checked));
byId("add").addEventListener("click", () => showAdding(byId("adding").hidden));
byId("adding").addEventListener("submit", add);
byId("remove").addEventListener("click", remove);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
document.addEventListener("visibilitychange", watch);
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=checkbox]), textarea") || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Escape") showAdding(false);
    return;
  }
  const keys = {
    Escape: () => choose(null), o: () => setOverlay(!state.overlay), "+": () => showAdding(true),
    ArrowLeft: () => step(-1), ArrowRight: () => step(1),
  };
  if (keys[event.key]) {
    keys[event.key]();
    event.preventDefault();
  }
});

if (location.search.includes("token=")) history.replaceState(null, "", location.pathname + location.hash);
window.addEventListener("hashchange", fromAddress);
fromAddress();
connect();
