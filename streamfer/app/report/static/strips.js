// The overview of a track: as a strip, and as the samples of its curves.

import { COLOURS, LABELS } from "./drawing.js";
import { Samples } from "./curves.js";

const GAP = 255;
const UNCERTAIN = LABELS.length;

/** A track's least and greatest shares of each bin, one after the other: a band when drawn. */
export function overview(track, state) {
  const samples = new Samples();
  if (!track) return samples;
  const size = DATA.binBytes;
  for (let bin = 0; bin * size < track.table.length; bin += 1) {
    const row = track.table.subarray(bin * size, (bin + 1) * size);
    const time = (track.firstBin + bin + 0.5) / DATA.hz;
    if (row[0] === GAP || time < state.from - 1 || time > state.to + 1) continue;
    const trust = row[1] === GAP ? null : row[1] / 254;
    for (const start of [2, 2 + LABELS.length]) {
      samples.push(time, Array.from(row.subarray(start, start + LABELS.length), (share) => share / 255), trust);
    }
  }
  return samples;
}

export function drawStrip(canvas, track, state, ink) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const x = (time) => ((time - state.from) / (state.to - state.from)) * width;
  const size = DATA.binBytes;
  const bins = track.table.length / size;
  const step = Math.max(1, Math.floor(((state.to - state.from) * DATA.hz) / Math.max(width, 1)));
  for (let bin = 0; bin < bins; bin += step) {
    const label = track.table[bin * size];
    const left = x((track.firstBin + bin) / DATA.hz);
    if (label === GAP || left > width || left < -10 - width / bins) continue;
    const trust = track.table[bin * size + 1];
    context.globalAlpha = trust === GAP ? 0.9 : 0.2 + 0.8 * (trust / 254);
    context.fillStyle = label === UNCERTAIN ? "#8b949e" : COLOURS[label];
    const tall = label === UNCERTAIN ? height / 3 : height;
    context.fillRect(left, (height - tall) / 2, Math.max(1, x((track.firstBin + bin + step) / DATA.hz) - left + 0.4), tall);
  }
  context.globalAlpha = 1;
  context.fillStyle = ink;
  context.fillRect(x(state.time), 0, 1.5, height);
  if (state.selected) {
    context.globalAlpha = 0.2;
    context.fillRect(x(state.selected[0]), 0, x(state.selected[1]) - x(state.selected[0]), height);
    context.globalAlpha = 1;
  }
}
