// Faces on a picture: boxes, labels and bars. The live page and the report share it.

export const LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

// Okabe and Ito's palette, as everywhere in the program: told apart with every common colour-vision
// deficiency. The curves' dashes and the words beside every colour say the same again.
export const COLOURS = ["#d55e00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#56b4e9", "#c8c8c8"];
export const DASHES = [[], [6, 3], [2, 2], [], [8, 3, 2, 3], [4, 2], [1, 3]];

const UNCERTAIN_BELOW = 0.5;

/** The label of a face's answer and how sure it is. */
export function answer(face) {
  const probs = face.smoothed ?? face.probs ?? [];
  const index = face.emotion ? LABELS.indexOf(face.emotion) : -1;
  const uncertain = face.trust !== null && face.trust !== undefined && face.trust < UNCERTAIN_BELOW;
  return {
    index: uncertain ? -1 : index,
    text: uncertain || index < 0 ? "uncertain" : face.emotion,
    share: uncertain || index < 0 ? null : probs[index],
    colour: uncertain || index < 0 ? "#b8c0c8" : COLOURS[index],
  };
}

/**
 * Draws the faces of a record over its picture.
 *
 * @param {CanvasRenderingContext2D} context of a canvas that shows the whole picture
 * @param {object} record as in the records, boxes in pixels of the source picture
 * @param {{width: number, height: number}} source size of the source picture
 * @param {{bars: boolean, chosen?: number}} options
 */
export function drawFaces(context, record, source, options) {
  const scale = context.canvas.width / source.width;
  const faces = record.faces ?? [];
  const unit = Math.max(1, context.canvas.width / 640);
  const many = faces.length > 8;
  const area = (face) => (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]);
  const largest = new Set([...faces].sort((a, b) => area(b) - area(a)).slice(0, many ? 2 : 8));
  for (const face of faces) {
    const [x1, y1, x2, y2] = face.box.map((value) => value * scale);
    const said = answer(face);
    context.lineWidth = (face.track === options.chosen ? 3 : 2) * unit;
    context.strokeStyle = said.colour;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const share = said.share === null ? "" : ` ${Math.round(said.share * 100)}%`;
    tag(context, x1, y1, `${face.track} ${said.text}${share}`, said.colour, unit);
    if (options.bars && largest.has(face)) bars(context, face, x1, y1, x2, y2, unit);
  }
}

function tag(context, x, y, text, colour, unit) {
  context.font = `600 ${12 * unit}px system-ui, sans-serif`;
  const height = 17 * unit;
  const width = context.measureText(text).width + 8 * unit;
  const left = Math.min(Math.max(x, 0), Math.max(context.canvas.width - width, 0));
  const top = y - height >= 0 ? y - height : y;
  context.fillStyle = "rgba(12, 15, 18, .78)";
  context.fillRect(left, top, width, height);
  context.fillStyle = colour;
  context.fillRect(left, top, 3 * unit, height);
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.fillText(text, left + 5 * unit, top + height / 2);
}

function bars(context, face, x1, y1, x2, y2, unit) {
  const probs = face.smoothed ?? face.probs;
  if (!probs) return;
  const row = 11 * unit;
  const height = row * LABELS.length + 4 * unit;
  // Names where there is room for them, bars alone where there is not, and else nothing.
  for (const [names, width] of [[50 * unit, 112 * unit], [0, 54 * unit]]) {
    const fits = [x2 + 4 * unit, x1 - width - 4 * unit].find((x) => x >= 0 && x + width <= context.canvas.width);
    if (fits === undefined) continue;
    const top = Math.min(Math.max(y1, 0), Math.max(context.canvas.height - height, 0));
    context.fillStyle = "rgba(12, 15, 18, .72)";
    context.fillRect(fits, top, width, height);
    context.font = `${9 * unit}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    probs.forEach((share, index) => {
      const y = top + 2 * unit + (index + 0.5) * row;
      context.fillStyle = "#fff";
      if (names) context.fillText(LABELS[index], fits + 4 * unit, y);
      context.fillStyle = COLOURS[index];
      const length = Math.max(unit, share * (width - names - 8 * unit));
      context.fillRect(fits + 4 * unit + names, y - 3 * unit, length, 6 * unit);
    });
    return;
  }
}

const ALWAYS = new Set([
  "track", "box", "score", "landmarks", "emotion", "probs", "smoothed", "latent",
  "reconstruction_error", "refined_age_s", "trust",
]);

/** What else is said of a face, as [name, text] pairs: the fields of the heads. */
export function measures(face) {
  const number = (value) => (Number.isInteger(value) ? `${value}` : value.toFixed(2));
  const text = (value) => {
    if (typeof value === "number") return number(value);
    if (Array.isArray(value)) return value.flat().map(text).join(", ");
    return String(value);
  };
  return Object.entries(face)
    .filter(([name, value]) => !ALWAYS.has(name) && value !== null && value !== undefined)
    .map(([name, value]) => [name.replaceAll("_", " "), text(value)]);
}
