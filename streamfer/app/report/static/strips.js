// The overview of a track: as a strip, and as the samples of its curves.

import { COLOURS, LABELS } from "./drawing.js";
import { Samples } from "./curves.js";

const GAP = 255;
const UNCERTAIN = LABELS.length;

/** The bytes of base64 text; `Uint8Array.from` takes a second for hours of twenty tracks. */
export function bytes(text) {
  const binary = atob(text);
  const found = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) found[i] = binary.charCodeAt(i);
  return found;
}

/** First and last bin of a track that a stretch of time shows. */
function shownBins(track, { from, to }) {
  const bins = track.table.length / DATA.binBytes;
  const first = Math.floor(from * DATA.hz) - track.firstBin - 1;
  const last = Math.ceil(to * DATA.hz) - track.firstBin + 1;
  return [Math.max(first, 0), Math.min(last, bins)];
}

/**
 * A track's least and greatest shares, one after the other: a band when drawn. Hours have more bins
 * than a screen has columns: so many are joined that each column has one.
 */
export function overview(track, view, columns) {
  const samples = new Samples();
  if (!track) return { samples, step: 1 };
  const size = DATA.binBytes;
  const [first, last] = shownBins(track, view);
  const step = Math.max(1, Math.ceil((last - first) / Math.max(columns, 1)));
  for (let bin = first; bin < last; bin += step) {
    let joined = null;
    for (let n = bin; n < Math.min(bin + step, last); n += 1) {
      const row = track.table.subarray(n * size, (n + 1) * size);
      if (row[0] === GAP) continue;
      joined ??= { least: row.slice(2, 2 + LABELS.length), greatest: row.slice(2 + LABELS.length), trust: row[1] };
      joined.trust = Math.min(joined.trust, row[1]);
      for (let i = 0; i < LABELS.length; i += 1) {
        if (row[2 + i] < joined.least[i]) joined.least[i] = row[2 + i];
        if (row[2 + LABELS.length + i] > joined.greatest[i]) joined.greatest[i] = row[2 + LABELS.length + i];
      }
    }
    if (!joined) continue;
    const time = (track.firstBin + bin + step / 2) / DATA.hz;
    const trust = joined.trust === GAP ? null : joined.trust / 254;
    for (const shares of [joined.least, joined.greatest]) samples.push(time, Array.from(shares, (share) => share / 255), trust);
  }
  return { samples, step };
}

/** What a column shows of several bins: the answer that most of them have, gaps only where all are. */
function joinedLabel(table, from, to) {
  const size = DATA.binBytes;
  const counts = new Uint32Array(UNCERTAIN + 1);
  let [label, trust] = [GAP, GAP];
  for (let bin = from; bin < to; bin += 1) {
    const found = table[bin * size];
    if (found === GAP) continue;
    counts[found] += 1;
    trust = Math.min(trust, table[bin * size + 1]);
    if (label === GAP || counts[found] > counts[label]) label = found;
  }
  return [label, trust];
}

export function drawStrip(canvas, track, view, ink) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const x = (time) => ((time - view.from) / (view.to - view.from)) * width;
  const [first, last] = shownBins(track, view);
  const step = Math.max(1, Math.floor(((view.to - view.from) * DATA.hz) / Math.max(width, 1)));
  for (let bin = first; bin < last; bin += step) {
    const [label, trust] = joinedLabel(track.table, bin, Math.min(bin + step, last));
    if (label === GAP) continue;
    const left = x((track.firstBin + bin) / DATA.hz);
    context.globalAlpha = trust === GAP ? 0.9 : 0.2 + 0.8 * (trust / 254);
    context.fillStyle = label === UNCERTAIN ? "#8b949e" : COLOURS[label];
    const tall = label === UNCERTAIN ? height / 3 : height;
    context.fillRect(left, (height - tall) / 2, Math.max(1, x((track.firstBin + bin + step) / DATA.hz) - left + 0.4), tall);
  }
  if (view.selected) {
    context.fillStyle = ink;
    context.globalAlpha = 0.2;
    context.fillRect(x(view.selected[0]), 0, x(view.selected[1]) - x(view.selected[0]), height);
  }
  context.globalAlpha = 1;
}
