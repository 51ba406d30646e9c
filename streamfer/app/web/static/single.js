// One stream alone: its picture at full rate, its faces, and their curves over the last minutes.

import { clock, drawCurves, Samples } from "./curves.js";
import { answer, COLOURS, DASHES, drawFaces, LABELS, measures } from "./drawing.js";

const KEEP_S = 180;
const GAP_S = 1;
const CURVES_EVERY_MS = 120; // Nobody sees curves move faster, and they are long.

export class Single {
  constructor(root) {
    this.part = (id) => root.querySelector(`#${id}`);
    this.context = this.part("picture").getContext("2d");
    this.rows = new Map();
    this.part("shares").replaceChildren(...LABELS.map(share));
    this.begin(null);
  }

  /** Shows another stream. */
  begin(stream) {
    this.stream = stream;
    this.chosen = null;
    this.tracks = new Map();
    this.time = 0;
    this.curvesDue = 0;
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.part("tracks").replaceChildren();
    this.part("name").textContent = stream ?? "";
    this.part("picture").setAttribute("aria-label", "no picture yet");
    this.context.clearRect(0, 0, this.context.canvas.width, this.context.canvas.height);
  }

  /** Brings the figures and the list of tracks up to date. */
  show(status) {
    const size = status.width ? `${status.width} × ${status.height}, ` : "";
    const late = status.latency_ms === null ? "" : `, ${Math.round(status.latency_ms)} ms`;
    this.part("facts").textContent =
      `${status.source} · ${size}${status.state}, ${status.fps.toFixed(1)} frames/s${late}, ` +
      `${status.dropped} dropped, ${status.reconnects} reconnects${status.message ? `; ${status.message}` : ""}`;
    const list = this.part("tracks");
    status.tracks.forEach((track, place) => {
      const item = list.children[place] ?? list.appendChild(this.track());
      const most = track.share.indexOf(Math.max(...track.share));
      item.firstChild.dataset.track = track.track;
      item.firstChild.setAttribute("aria-pressed", String(track.track === this.chosen));
      item.firstChild.textContent =
        `${track.track}: ${clock(track.first_s)} to ${clock(track.last_s)}, ` +
        `mostly ${LABELS[most]} (${Math.round(track.share[most] * 100)} %)`;
    });
    while (list.children.length > status.tracks.length) list.lastChild.remove();
  }

  draw(record, bitmap, overlay) {
    const { canvas } = this.context;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    this.context.drawImage(bitmap, 0, 0);
    if (record.time_s < this.time) this.tracks.clear(); // another stream of the same name
    this.time = record.time_s;
    const faces = record.faces ?? [];
    for (const face of faces) this.follow(face, record.time_s);
    this.forget();
    if (overlay) drawFaces(this.context, record, record, { bars: true, chosen: this.chosen });
    canvas.dataset.frame = record.frame;
    const said = faces.map((face) => `face ${face.track} ${answer(face).text}`).join(", ");
    canvas.setAttribute("aria-label", `${this.stream}: ${said || "no face"}`);
    this.list(record);
    this.showShares(faces.find((face) => face.track === this.chosen));
    if (performance.now() >= this.curvesDue) this.curves();
  }

  follow(face, time) {
    if (!this.tracks.has(face.track)) this.tracks.set(face.track, new Samples(KEEP_S));
    if (!this.tracks.has(this.chosen)) this.chosen = face.track;
    this.tracks.get(face.track).push(time, face.smoothed ?? face.probs, face.trust);
  }

  /** Lets go of faces that left long ago: a camera sees thousands. */
  forget() {
    for (const [track, samples] of this.tracks) {
      if (track !== this.chosen && samples.times.at(-1) < this.time - KEEP_S) this.tracks.delete(track);
    }
  }

  choose(track) {
    this.chosen = track;
    this.curvesDue = 0;
    for (const button of this.part("tracks").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.track) === track));
    }
  }

  list(record) {
    const present = new Set();
    for (const face of record.faces ?? []) {
      present.add(face.track);
      if (!this.rows.has(face.track)) this.rows.set(face.track, this.row(face.track));
      const row = this.rows.get(face.track);
      const said = answer(face);
      const percent = said.share === null ? "" : `${Math.round(said.share * 100)} %, `;
      const trust = face.trust === null || face.trust === undefined ? "trust unknown" : `trust ${face.trust.toFixed(2)}`;
      const more = measures(face).map(([name, text]) => `${name} ${text}`);
      row.querySelector("b").textContent = `${face.track}  ${said.text}`;
      row.querySelector("small").textContent = [`${percent}${trust}`, ...more].join(", ");
      row.firstChild.setAttribute("aria-pressed", String(face.track === this.chosen));
      const drawing = record.drawings?.[face.track];
      row.querySelector("canvas").hidden = !drawing;
      if (drawing) this.redraw(row.querySelector("canvas"), drawing);
    }
    for (const [track, row] of this.rows) {
      if (!present.has(track)) {
        row.remove();
        this.rows.delete(track);
      }
    }
  }

  row(track) {
    const row = document.createElement("li");
    row.innerHTML =
      '<button class="face"><canvas width="64" height="64" role="img" aria-label="as the generator draws it" hidden></canvas>' +
      "<span><b></b><small></small></span></button>";
    row.firstChild.addEventListener("click", () => this.choose(track));
    this.part("faces").append(row);
    return row;
  }

  track() {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.addEventListener("click", () => this.choose(Number(button.dataset.track)));
    item.append(button);
    return item;
  }

  async redraw(canvas, base64) {
    if (canvas.dataset.shown === base64) return;
    canvas.dataset.shown = base64;
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
  }

  /** The seven shares of the chosen face, beside their names; empty while it is away. */
  showShares(face) {
    const probs = face?.smoothed ?? face?.probs;
    this.part("shares").querySelectorAll("meter").forEach((meter, label) => {
      meter.value = probs?.[label] ?? 0;
      meter.nextSibling.textContent = probs ? `${Math.round(probs[label] * 100)} %` : "";
    });
    this.part("whose").textContent = this.chosen === null ? "" : `of face ${this.chosen}`;
  }

  curves() {
    this.curvesDue = performance.now() + CURVES_EVERY_MS;
    const samples = this.tracks.get(this.chosen) ?? new Samples();
    drawCurves(this.part("curves"), samples, {
      from: Math.max(this.time - KEEP_S, 0), to: Math.max(this.time, 1), gap: GAP_S, ink: "#c9d1d9", line: "#343a40",
    });
    this.part("curves").dataset.samples = samples.times.length;
  }
}

/** One of the seven rows: its line in the curves, its name, a meter and a figure. */
function share(label, index) {
  const row = document.createElement("label");
  row.innerHTML =
    `<svg viewBox="0 0 24 8" aria-hidden="true"><path d="M0 4h24" stroke="${COLOURS[index]}" stroke-width="3" ` +
    `stroke-dasharray="${DASHES[index].join(" ")}"></path></svg><span></span><meter min="0" max="1"></meter><span></span>`;
  row.querySelector("span").textContent = label;
  return row;
}
