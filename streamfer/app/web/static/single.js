// One stream alone: its picture at full rate, its faces, and their curves over the last minutes.

import { clock, drawCurves, Samples } from "./curves.js";
import { answer, COLOURS, drawFaces, LABELS } from "./drawing.js";

const KEEP_S = 180;
const GAP_S = 1;

export class Single {
  constructor(root) {
    this.part = (id) => root.querySelector(`#${id}`);
    this.context = this.part("picture").getContext("2d");
    this.rows = new Map();
    this.part("legend").innerHTML = LABELS.map((label, i) => `<span><i data-label="${i}"></i>${label}</span>`).join("");
    for (const mark of this.part("legend").querySelectorAll("i")) mark.style.borderColor = COLOURS[mark.dataset.label];
    this.part("track").addEventListener("change", () => { this.chosen = Number(this.part("track").value); });
    this.begin(null);
  }

  /** Shows another stream. */
  begin(stream) {
    this.stream = stream;
    this.chosen = null;
    this.tracks = new Map();
    this.time = 0;
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.part("track").replaceChildren();
    this.part("name").textContent = stream ?? "";
    this.context.clearRect(0, 0, this.context.canvas.width, this.context.canvas.height);
  }

  show(status) {
    const size = status.width ? `${status.width} × ${status.height}, ` : "";
    const late = status.latency_ms === null ? "" : `, ${Math.round(status.latency_ms)} ms`;
    this.part("facts").textContent =
      `${status.source}: ${size}${status.state}, ${status.fps.toFixed(1)} frames/s${late}, ` +
      `${status.dropped} dropped, ${status.reconnects} reconnects${status.message ? `; ${status.message}` : ""}`;
  }

  draw(record, bitmap, overlay) {
    const { canvas } = this.context;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    this.context.drawImage(bitmap, 0, 0);
    this.time = record.time_s;
    for (const face of record.faces ?? []) this.follow(face, record.time_s);
    if (overlay) drawFaces(this.context, record, record, { bars: true, chosen: this.chosen });
    canvas.dataset.frame = record.frame;
    canvas.setAttribute("aria-label", `${this.stream}: ${(record.faces ?? []).map((f) => `face ${f.track} ${answer(f).text}`).join(", ") || "no face"}`);
    this.list(record);
    this.curves();
  }

  follow(face, time) {
    if (!this.tracks.has(face.track)) {
      this.tracks.set(face.track, new Samples(KEEP_S));
      const option = new Option(`face ${face.track}`, face.track);
      this.part("track").append(option);
      if (this.chosen === null) this.choose(face.track);
    }
    this.tracks.get(face.track).push(time, face.smoothed ?? face.probs, face.trust);
  }

  choose(track) {
    this.chosen = track;
    this.part("track").value = track;
  }

  list(record) {
    const present = new Set();
    for (const face of record.faces ?? []) {
      present.add(face.track);
      if (!this.rows.has(face.track)) this.rows.set(face.track, this.row(face.track));
      const row = this.rows.get(face.track);
      const said = answer(face);
      row.querySelector("b").textContent = `${face.track}  ${said.text}`;
      row.querySelector("b").style.color = "";
      const share = said.share === null ? "" : `${Math.round(said.share * 100)} %, `;
      const trust = face.trust === null || face.trust === undefined ? "trust unknown" : `trust ${face.trust.toFixed(2)}`;
      row.querySelector("small").textContent = `${share}${trust}`;
      row.setAttribute("aria-current", String(face.track === this.chosen));
      const drawing = record.drawings?.[face.track];
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
    const row = document.createElement("button");
    row.className = "face";
    row.setAttribute("role", "listitem");
    row.innerHTML = '<canvas width="64" height="64" role="img" aria-label="as the generator draws it"></canvas><b></b><small></small>';
    row.addEventListener("click", () => this.choose(track));
    this.part("faces").append(row);
    return row;
  }

  async redraw(canvas, base64) {
    if (canvas.dataset.shown === base64) return;
    canvas.dataset.shown = base64;
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
  }

  curves() {
    const samples = this.tracks.get(this.chosen) ?? new Samples();
    drawCurves(this.part("curves"), samples, {
      from: this.time - KEEP_S, to: this.time, gap: GAP_S, ink: "#c9d1d9", line: "#343a40",
    });
    this.part("curves").dataset.samples = samples.times.length;
    this.part("curves").title = `to ${clock(this.time)}`;
  }
}
