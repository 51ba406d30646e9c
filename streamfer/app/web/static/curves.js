// Seven curves over time on a canvas, with gaps where a face was away and trust as opacity. The
// live page and the report share it.

import { COLOURS, DASHES, LABELS } from "./drawing.js";

/** Samples of one track, oldest first; forgets what is older than `keep` seconds. */
export class Samples {
  constructor(keep = Infinity) {
    this.keep = keep;
    this.times = [];
    this.values = [];
    this.trust = [];
  }

  push(time, values, trust) {
    this.times.push(time);
    this.values.push(values);
    this.trust.push(trust);
    let old = 0;
    while (this.times[old] < time - this.keep) old += 1;
    // Cut in larger pieces: shifting arrays with every frame is slow.
    if (old > 256) for (const list of [this.times, this.values, this.trust]) list.splice(0, old);
  }
}

/**
 * Draws curves.
 *
 * @param {HTMLCanvasElement} canvas sized by its style
 * @param {Samples} samples
 * @param {{from: number, to: number, gap: number, ink: string, line: string}} view
 *   seconds at the left and right edge, the longest pause that is bridged, and colours
 */
export function drawCurves(canvas, samples, view) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const box = { left: 26, top: 6, right: width - 4, bottom: height - 16 };
  const x = (time) => box.left + ((time - view.from) / (view.to - view.from)) * (box.right - box.left);
  const y = (share) => box.bottom - share * (box.bottom - box.top);
  axes(context, box, x, y, view);
  LABELS.forEach((_, label) => {
    context.strokeStyle = COLOURS[label];
    context.setLineDash(DASHES[label]);
    context.lineWidth = 1.6;
    curve(context, samples, view, (i) => [x(samples.times[i]), y(samples.values[i][label])]);
  });
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function axes(context, box, x, y, view) {
  context.font = "10px system-ui, sans-serif";
  context.fillStyle = view.ink;
  context.strokeStyle = view.line;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(box.left, Math.round(y(share)) + 0.5);
    context.lineTo(box.right, Math.round(y(share)) + 0.5);
    context.stroke();
    context.textAlign = "right";
    context.fillText(`${share * 100}`, box.left - 4, y(share));
  }
  const step = niceStep(view.to - view.from);
  context.textAlign = "center";
  context.textBaseline = "top";
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    context.fillText(clock(time), Math.min(Math.max(x(time), box.left + 10), box.right - 12), box.bottom + 4);
  }
}

function curve(context, samples, view, point) {
  const { times, trust } = samples;
  let open = false;
  let alpha = -1;
  for (let i = firstFrom(times, view.from); i < times.length && times[i] <= view.to; i += 1) {
    const gap = i > 0 && times[i] - times[i - 1] > view.gap;
    const wanted = trust[i] === null || trust[i] === undefined ? 0.9 : 0.25 + 0.75 * trust[i];
    if (open && (gap || Math.abs(wanted - alpha) > 0.1)) {
      if (!gap) context.lineTo(...point(i));
      context.stroke();
      open = false;
    }
    if (!open) {
      alpha = wanted;
      context.globalAlpha = alpha;
      context.beginPath();
      context.moveTo(...point(i));
      open = true;
    } else {
      context.lineTo(...point(i));
    }
  }
  if (open) context.stroke();
}

/** The first place whose time is not before `from`. */
function firstFrom(times, from) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function niceStep(span) {
  for (const step of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800]) if (span / step <= 6) return step;
  return 3600;
}

/** Seconds as 1:05 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
