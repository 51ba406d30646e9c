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
  const names = 46 * unit;
  const width = names + 44 * unit;
  const height = row * LABELS.length + 6 * unit;
  let left = x2 + 4 * unit;
  if (left + width > context.canvas.width) left = x1 - width - 4 * unit;
  if (left < 0) return;
  const top = Math.min(Math.max(y1, 0), Math.max(context.canvas.height - height, 0));
  context.fillStyle = "rgba(12, 15, 18, .72)";
  context.fillRect(left, top, width, height);
  context.font = `${9 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  probs.forEach((share, index) => {
    const middle = top + 3 * unit + (index + 0.5) * row;
    context.fillStyle = "#e8eaed";
    context.fillText(LABELS[index], left + 4 * unit, middle);
    context.fillStyle = COLOURS[index];
    context.fillRect(left + names, middle - 3 * unit, Math.max(1, share * 40 * unit), 6 * unit);
  });
}
