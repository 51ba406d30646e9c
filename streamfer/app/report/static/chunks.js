// The detail of the records, loaded by a few seconds at a time as scripts.

import { LABELS } from "./drawing.js";

export function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

/** Loads a piece of detail; resolves to its frames, or null where there are none. */
const loading = new Map();
export function chunk(recording, number) {
  const key = `${recording}-${number}`;
  const chunks = (window.CHUNKS ??= {});
  if (!DATA.recordings[recording].chunks.includes(number)) return Promise.resolve(null);
  if (chunks[key]) return Promise.resolve(chunks[key]);
  if (!loading.has(key)) {
    loading.set(key, new Promise((resolve) => {
      const script = make("script", { src: `data/${key}.js` });
      script.onload = () => { loading.delete(key); script.remove(); resolve(chunks[key]); forget(recording, number); };
      script.onerror = () => { loading.delete(key); resolve(null); };
      document.head.append(script);
    }));
  }
  return loading.get(key);
}

// Hours of detail would fill the memory; what can be loaded again is let go.
const KEPT_S = 120;
function forget(recording, number) {
  if (![...document.scripts].some((script) => script.src.endsWith("/data.js"))) return;
  for (const key of Object.keys(window.CHUNKS)) {
    const [owner, place] = key.split("-").map(Number);
    if (owner === recording && Math.abs(place - number) * DATA.chunkS > KEPT_S) delete window.CHUNKS[key];
  }
}

export const toFace = ([track, x1, y1, x2, y2, trust, label, ...shares]) => ({
  track, box: [x1, y1, x2, y2], trust, emotion: label < 0 ? null : LABELS[label],
  smoothed: shares.map((share) => share / 1000),
});

/** Index of the last frame at or before a time. */
export function indexAt(frames, time) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle][1] <= time) low = middle + 1; else high = middle;
  }
  return low - 1;
}
