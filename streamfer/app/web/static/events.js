// Events as they come, the newest first.

const MOST = 60;
const WHERE = new Set(["type", "stream", "event", "time_s", "wall"]);
const BAD = new Set(["error", "disconnected"]);

/** Puts an event on top of a list. */
export function showEvent(list, event) {
  const item = document.createElement("li");
  const when = document.createElement("time");
  if (event.wall) when.dateTime = event.wall;
  when.textContent = event.wall ? new Date(event.wall).toLocaleTimeString() : `${event.time_s.toFixed(1)} s`;
  const rest = Object.entries(event)
    .filter(([key, value]) => !WHERE.has(key) && value !== null && typeof value !== "object")
    .map(([key, value]) => (key === "message" ? value : `${key.replaceAll("_", " ")} ${short(value)}`));
  item.classList.toggle("bad", BAD.has(event.event));
  item.append(when, ` ${event.stream} ${event.event.replaceAll("_", " ")}${rest.length ? `: ${rest.join(", ")}` : ""}`);
  list.prepend(item);
  while (list.children.length > MOST) list.lastChild.remove();
}

function short(value) {
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : value;
}
