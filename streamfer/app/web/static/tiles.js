// The grid: a tile for every stream, with its newest picture and how it does.

import { drawFaces } from "./drawing.js";

const OFF = new Set(["waiting", "connecting", "stalled", "reconnecting", "failed", "interrupted", "done"]);
const SAID = { waiting: "WAITING", connecting: "CONNECTING", done: "ENDED", interrupted: "ENDED" };

/** Whether a stream gives no pictures now. */
export function isOff(status) {
  return OFF.has(status.state);
}

export class Grid {
  /**
   * @param {HTMLElement} element
   * @param {(stream: string) => void} onChoose called with the stream whose tile is clicked
   */
  constructor(element, onChoose) {
    this.element = element;
    this.onChoose = onChoose;
    this.tiles = new Map();
    new ResizeObserver(() => this.arrange()).observe(element.parentElement);
  }

  /** Brings the tiles up to date with the streams that there are. */
  update(streams) {
    const names = new Set(streams.map((status) => status.stream));
    for (const [name, tile] of this.tiles) {
      if (!names.has(name)) {
        tile.button.remove();
        this.tiles.delete(name);
      }
    }
    for (const status of streams) this.tile(status.stream).show(status);
    this.arrange();
  }

  tile(name) {
    if (!this.tiles.has(name)) {
      const tile = new Tile(name, () => this.onChoose(name));
      this.tiles.set(name, tile);
      this.element.append(tile.button);
    }
    return this.tiles.get(name);
  }

  /** Chooses the number of columns that makes the tiles largest. */
  arrange() {
    const count = this.tiles.size;
    if (!count || this.element.hidden) return;
    const width = this.element.clientWidth;
    const height = window.innerHeight - this.element.getBoundingClientRect().top;
    let best = { columns: 1, area: 0 };
    for (let columns = 1; columns <= count; columns += 1) {
      const tile = Math.min(width / columns, (height / Math.ceil(count / columns)) * (16 / 9));
      if (tile > best.area) best = { columns, area: tile };
    }
    const least = Math.max(1, Math.floor(width / 220));
    this.element.style.gridTemplateColumns = `repeat(${Math.min(best.columns, least)}, minmax(0, 1fr))`;
  }
}

class Tile {
  constructor(name, onChoose) {
    this.button = document.createElement("button");
    this.button.className = "tile";
    this.button.dataset.stream = name;
    this.button.innerHTML =
      '<canvas aria-hidden="true"></canvas><div class="off-mark"><strong></strong><small></small></div>' +
      '<div class="strip"><b></b><span class="rate"></span><span class="late"></span><span class="drops"></span></div>';
    this.button.addEventListener("click", onChoose);
    this.part = (selector) => this.button.querySelector(selector);
    this.part("b").textContent = name;
    this.context = this.part("canvas").getContext("2d");
  }

  show(status) {
    const off = isOff(status);
    this.button.classList.toggle("off", off);
    const mark = SAID[status.state] ?? "OFFLINE";
    this.part(".off-mark strong").textContent = mark;
    const reason = status.message ?? (status.state === mark.toLowerCase() ? "" : status.state);
    this.part(".off-mark small").textContent = reason;
    this.part(".rate").textContent = off ? status.state : `${status.fps.toFixed(1)} fps`;
    this.part(".late").textContent = off || status.latency_ms === null ? "" : `${Math.round(status.latency_ms)} ms`;
    this.part(".drops").textContent = status.dropped ? `${status.dropped} dropped` : "";
    this.button.setAttribute(
      "aria-label",
      `${status.stream}: ${off ? `${mark.toLowerCase()}, ${status.message ?? status.state}` : `${status.fps.toFixed(0)} frames per second`}`,
    );
  }

  draw(record, bitmap, overlay) {
    const { canvas } = this.context;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    this.context.drawImage(bitmap, 0, 0);
    if (overlay) drawFaces(this.context, record, record, { bars: false });
    canvas.dataset.frame = record.frame;
  }
}
