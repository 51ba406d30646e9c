// The report of recorded runs. `DATA` and the chunks in `CHUNKS` are scripts: opened from disk, a
// page may fetch nothing.

import { COLOURS, LABELS, drawFaces } from "./drawing.js";
import { Samples, clock, drawCurves } from "./curves.js";
import { chunk, indexAt, make, toFace } from "./chunks.js";
import { bytes, drawStrip, overview } from "./strips.js";

const DETAIL_BELOW_S = 90; // A longer stretch is drawn from the overview.
const SAME_FRAME_S = 0.0015;
const [CURVES_LEFT_PX, CURVES_RIGHT_PX] = [26, 4]; // as `drawCurves` leaves for its numbers
const STREAM_EVENTS = new Set(["opened", "disconnected", "reconnected", "changed", "error"]);
const MOST_EVENTS = 30;
const views = [];
const state = { time: 0, from: 0, to: 1, selected: null };

class View {
  constructor(data, number) {
    this.data = data;
    this.number = number;
    this.chosen = [...data.tracks].sort((a, b) => b.frames - a.frames)[0]?.track;
    for (const track of data.tracks) track.table = bytes(track.bins);
    this.section = make("section");
    this.section.append(make("h2", { textContent: data.stream }));
    if (data.note) this.section.append(make("p", { className: "note", textContent: data.note }));
    if (data.video) this.addVideo();
    this.addTimeline();
    this.addMoments();
    this.addCards();
    this.addPairs();
    this.addFacts();
    document.getElementById("recordings").append(this.section);
  }

  addVideo() {
    // With `auto` a browser reads on wherever one has looked, and keeps all of it.
    this.video = make("video", { src: this.data.video, preload: "metadata", playsInline: true, controls: true });
    this.canvas = make("canvas");
    this.section.append(make("div", { className: "screen" }, this.video, this.canvas));
    const shown = (_, frame) => { this.showFrame(frame.mediaTime); this.video.requestVideoFrameCallback(shown); };
    this.video.requestVideoFrameCallback(shown);
    this.video.addEventListener("error", () => {
      this.section.insertBefore(make("p", { className: "note", textContent: "This browser cannot play the video." }), this.section.children[1]);
    });
  }

  /** Draws the record of exactly the frame that is on the screen. */
  async showFrame(time) {
    this.mediaTime = time;
    const frames = await chunk(this.number, Math.floor((time + SAME_FRAME_S) / DATA.chunkS));
    if (this.mediaTime !== time) return;
    const found = frames?.[indexAt(frames, time + SAME_FRAME_S)];
    const record = found && Math.abs(found[1] - time) <= SAME_FRAME_S ? found : null;
    this.section.dataset.frame = record ? record[0] : "";
    this.canvas.width = this.video.videoWidth;
    this.canvas.height = this.video.videoHeight;
    const size = { width: this.data.width ?? this.canvas.width, height: this.data.height ?? this.canvas.height };
    if (record && document.getElementById("overlay").checked) {
      const faces = record[2].map(toFace);
      drawFaces(this.canvas.getContext("2d"), { faces }, size, { bars: document.getElementById("bars").checked, chosen: this.chosen });
    }
    if (views[0] === this || !views[0].video) setTime(time);
  }

  async seek(time) {
    if (!this.video) return;
    const frames = await chunk(this.number, Math.floor(time / DATA.chunkS));
    const index = frames ? indexAt(frames, time + SAME_FRAME_S) : -1;
    // Just inside the frame: at its very edge browsers may show the one before it.
    const at = index < 0 ? time : frames[index][1];
    const pause = frames?.[index + 1] ? frames[index + 1][1] - at : 0.01;
    this.video.currentTime = at + Math.min(0.004, pause / 2);
  }

  addTimeline() {
    this.curves = make("canvas", { className: "curves" });
    this.curves.setAttribute("role", "img");
    this.curves.setAttribute("aria-label", "Shares of seven expressions over time");
    this.strips = this.data.tracks.map((track) => {
      const canvas = make("canvas");
      const name = make("button", { type: "button", textContent: `Face ${track.track}`, onclick: () => this.choose(track.track) });
      const cursor = make("i", { className: "cursor" });
      this.section.append(make("div", { className: "strip" }, name, make("div", { className: "timeline" }, canvas, cursor)));
      onDrag(canvas, 0, 0);
      return { track, canvas, name, cursor };
    });
    this.cursor = make("i", { className: "cursor" });
    this.section.append(make("div", { className: "timeline" }, this.curves, this.cursor), make("div", { className: "legend" }, ...LABELS.map((label, i) => {
      const mark = make("i");
      mark.style.background = COLOURS[i];
      return make("span", {}, mark, label);
    })));
    onDrag(this.curves, CURVES_LEFT_PX, CURVES_RIGHT_PX);
  }

  addMoments() {
    if (!this.data.moments.length) return;
    const words = { peak: "peak of", change: "changes to", together: "together:" };
    this.section.append(make("h3", { textContent: "Key moments" }), make("div", { className: "cards" }, ...this.data.moments.map((moment) => {
      const card = make("button", { type: "button", className: "moment", onclick: () => { this.choose(moment.tracks[0]); seek(moment.t); } });
      card.dataset.time = moment.t;
      if (moment.picture) card.append(make("img", { src: moment.picture, alt: "" }));
      card.append(`${clock(moment.t)} face ${moment.tracks.join(", ")} ${words[moment.kind]} ${moment.label}`);
      return card;
    })));
  }

  addCards() {
    this.section.append(make("h3", { textContent: "Faces" }), make("div", { className: "cards" }, ...this.data.tracks.map((track) => {
      const card = make("button", { type: "button", onclick: () => { this.choose(track.track); seek(track.first); } });
      if (track.picture) card.append(make("img", { src: track.picture, alt: "" }));
      const percent = (count) => `${Math.round((100 * count) / track.frames)} %`;
      card.append(make("strong", { textContent: `Face ${track.track}` }), `${clock(track.first)}–${clock(track.last)}, ${track.frames} frames`);
      const most = track.labels.map((count, i) => [count, LABELS[i]]).filter(([count]) => count).sort((a, b) => b[0] - a[0]);
      for (const [count, label] of most) card.append(make("span", { textContent: `${label} ${percent(count)}` }));
      card.append(make("span", { textContent: `uncertain ${percent(track.uncertain)}` }));
      return card;
    })));
  }

  /** What `streamfer measure` has found between faces. */
  addPairs() {
    if (!this.data.pairs.length) return;
    const number = (value, unit = "") => (value === null ? "–" : `${value.toFixed(2)}${unit}`);
    const row = (cell, texts) => make("tr", {}, ...texts.map((textContent) => make(cell, { textContent })));
    const head = row("th", ["Faces", "Synchrony", "Lag", "p", "Second follows", "First follows"]);
    const rows = this.data.pairs.map((pair) => row("td", [
      pair.tracks.join(" and "), number(pair.correlation), number(pair.lag_s, " s"), number(pair.p),
      `${pair.second_follows} ×`, `${pair.first_follows} ×`,
    ]));
    this.section.append(make("h3", { textContent: "Between faces" }), make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  addFacts() {
    const data = this.data;
    const models = Object.entries(data.models ?? {}).map(([role, model]) => `${role}: ${model.name} ${(model.sha256 ?? "").slice(0, 12)}`);
    const facts = [
      `${data.records}: ${data.frames} frames to ${clock(data.lastS)}, ${data.dropped} dropped`,
      data.width ? `${data.width} × ${data.height} pixels` : "size unknown",
      `labels ${data.labelSet ?? "unknown"}, ${data.backend ?? "backend unknown"}`, ...models,
      ...data.quality, ...happened(data.events),
    ];
    this.section.append(make("h3", { textContent: "Data quality" }), ...facts.map((text) => make("p", { className: "facts", textContent: text })));
  }

  choose(track) {
    this.chosen = track;
    draw();
    link();
    if (this.video && this.mediaTime !== undefined) this.showFrame(this.mediaTime);
  }

  draw() {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
    // While a video plays only the cursor moves: hours of twenty tracks take a while to draw.
    const stretch = `${state.from} ${state.to} ${state.selected} ${ink} ${this.curves.clientWidth} ${window.devicePixelRatio}`;
    if (this.drawnStretch !== stretch) {
      this.drawnStretch = stretch;
      for (const { track, canvas } of this.strips) drawStrip(canvas, track, state, ink);
    }
    for (const { track, name, cursor } of this.strips) {
      name.setAttribute("aria-pressed", track.track === this.chosen);
      place(cursor, 0, 0);
    }
    place(this.cursor, CURVES_LEFT_PX, CURVES_RIGHT_PX);
    const wanted = `${this.chosen} ${stretch}`;
    if (this.sampled === wanted) return;
    this.sampled = wanted;
    const track = this.data.tracks.find((each) => each.track === this.chosen);
    const { samples, step } = overview(track, state, this.curves.clientWidth);
    this.drawCurves(samples, (1.6 * step) / DATA.hz);
    if (state.to - state.from < DETAIL_BELOW_S) this.loadDetail(wanted);
  }

  drawCurves(samples, gap) {
    const style = getComputedStyle(document.documentElement);
    const [ink, line] = [style.getPropertyValue("--ink"), style.getPropertyValue("--line")];
    drawCurves(this.curves, samples, { from: state.from, to: state.to, gap, ink, line });
  }

  async loadDetail(wanted) {
    const numbers = [];
    for (let n = Math.floor(state.from / DATA.chunkS); n * DATA.chunkS <= state.to; n += 1) numbers.push(n);
    const frames = (await Promise.all(numbers.map((n) => chunk(this.number, n)))).flatMap((each) => each ?? []);
    if (this.sampled !== wanted) return;
    const samples = new Samples();
    for (const [, time, faces] of frames) {
      const row = faces.find((face) => face[0] === this.chosen);
      if (row) samples.push(time, row.slice(7).map((share) => share / 1000), row[5]);
    }
    this.drawCurves(samples, 0.5);
  }
}

/** What happened to the stream, each, and how often what happened to its faces: that may be often. */
function happened(events) {
  const at = ({ time_s: time }) => (time === undefined || time === null ? "" : ` at ${clock(time)}`);
  const ofStream = events.filter(({ event }) => STREAM_EVENTS.has(event));
  const counts = new Map();
  for (const { event } of events) if (!STREAM_EVENTS.has(event)) counts.set(event, (counts.get(event) ?? 0) + 1);
  const rest = ofStream.length - MOST_EVENTS;
  return [
    ...ofStream.slice(0, MOST_EVENTS).map((event) => `${event.event}${at(event)}`), ...(rest > 0 ? [`and ${rest} more`] : []),
    ...[...counts].map(([event, count]) => `${event.replaceAll("_", " ")}: ${count} ×`),
  ];
}

/** Puts a cursor at the present moment; hidden where the shown stretch does not hold it. */
function place(cursor, left, right) {
  const share = (state.time - state.from) / (state.to - state.from);
  cursor.hidden = share < 0 || share > 1;
  cursor.style.left = `calc(${left}px + ${share} * (100% - ${left + right}px))`;
}

/** A click or a drag seeks; with Shift a drag selects a stretch, which the view then shows. */
function onDrag(canvas, left, right) {
  const timeOf = (event) => {
    const place = (event.offsetX - left) / (canvas.clientWidth - left - right);
    return state.from + Math.min(Math.max(place, 0), 1) * (state.to - state.from);
  };
  let start = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    start = timeOf(event);
    if (!event.shiftKey) seek(start);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start === null) return;
    if (!event.shiftKey) { seek(timeOf(event)); return; }
    state.selected = [start, timeOf(event)].sort((a, b) => a - b);
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (start !== null && event.shiftKey && state.selected) [state.from, state.to] = state.selected;
    start = null;
    draw();
    link();
  });
}

function setTime(time) {
  state.time = time;
  document.getElementById("clock").textContent = `${clock(time)}.${String(Math.floor((time % 1) * 1000)).padStart(3, "0")}`;
  draw();
}

function seek(time) {
  setTime(time);
  for (const view of views) view.seek(time);
  link();
}

let drawn = false;
function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => { drawn = false; for (const view of views) view.draw(); });
}

function link() {
  history.replaceState(null, "", `#t=${state.time.toFixed(3)}&track=${views[0].chosen}`);
}

function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.has("track")) views[0].chosen = Number(wanted.get("track"));
  seek(Number(wanted.get("t")) || 0);
}

/** The frames of the selection, or of what the view shows. */
async function selection(view) {
  const [from, to] = state.selected ?? [state.from, state.to];
  const rows = [];
  for (const number of view.data.chunks) {
    if ((number + 1) * DATA.chunkS < from || number * DATA.chunkS > to) continue;
    for (const frame of (await chunk(view.number, number)) ?? []) if (frame[1] >= from && frame[1] <= to) rows.push(frame);
  }
  return rows;
}

async function asCsv() {
  const lines = [["stream", "frame", "time_s", "track", "emotion", "trust", ...LABELS.map((label) => `smoothed_${label}`)].join(",")];
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  for (const view of views) {
    for (const [frame, time, faces] of await selection(view)) {
      for (const face of faces.map(toFace)) {
        lines.push([quoted(view.data.stream), frame, time, face.track, face.emotion ?? "", face.trust ?? "", ...face.smoothed].join(","));
      }
    }
  }
  save("selection.csv", "text/csv", `${lines.join("\n")}\n`);
}

async function asVtt() {
  const stamp = (time) => new Date(Math.round(time * 1000)).toISOString().slice(11, 23);
  const cues = ["WEBVTT", ""];
  for (const view of views) {
    let open = null;
    const close = () => { if (open && open.to > open.from) cues.push(`${stamp(open.from)} --> ${stamp(open.to)}`, open.label, ""); };
    for (const [, time, faces] of await selection(view)) {
      const row = faces.find((face) => face[0] === view.chosen);
      const face = row && toFace(row);
      const label = face && (face.trust === null || face.trust >= 0.5) ? `Face ${face.track}: ${face.emotion}` : null;
      if (open) open.to = time;
      if (open && open.label !== label) { close(); open = null; }
      if (!open && label) open = { label, from: time, to: time };
    }
    close();
  }
  save("selection.vtt", "text/vtt", cues.join("\n"));
}

function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

DATA.recordings.forEach((data, number) => views.push(new View(data, number)));
state.to = Math.max(0.1, ...DATA.recordings.map((data) => data.lastS));
const play = document.getElementById("play");
play.onclick = () => {
  const paused = views.find((view) => view.video)?.video.paused ?? true;
  for (const { video } of views) if (video) paused ? video.play() : video.pause();
  play.textContent = paused ? "Pause" : "Play";
};
for (const id of ["overlay", "bars"]) {
  document.getElementById(id).onchange = () => { for (const view of views) if (view.mediaTime !== undefined) view.showFrame(view.mediaTime); };
}
document.getElementById("csv").onclick = asCsv;
document.getElementById("vtt").onclick = asVtt;
document.getElementById("whole").onclick = () => {
  Object.assign(state, { from: 0, to: Math.max(0.1, ...DATA.recordings.map((data) => data.lastS)), selected: null });
  draw();
};
window.addEventListener("resize", draw);
window.addEventListener("hashchange", follow);
follow();
