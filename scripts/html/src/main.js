// Page: draws what its runs have, and makes its tables live.
import { readRun, tables } from "./data.js";
import { overAxes } from "./axis.js";
import { front } from "./front.js";
import { latency } from "./latency.js";
import { rounds } from "./rounds.js";
import { isLoad, loads } from "./load.js";
import { element } from "./frame.js";
import { copies, explain, sortable } from "./table.js";

/** Most figures of one kind under a table. */
const MOST = 8;

function figuresOf(rows, about) {
  const others = rows.filter((row) => !isLoad(row));
  const all = [
    ...overAxes(others, about).slice(0, MOST),
    ...front(others, about),
    ...latency(others, about),
    ...rounds(others, about),
    ...loads(rows, about).slice(0, MOST),
  ];
  // In the order in which people ask: speed, what it costs, then how it is known.
  const order = ["axis", "front", "batch", "depth", "ecdf", "timeline", "rounds", "load"];
  return all.sort((a, b) => order.indexOf(a.dataset.kind) - order.indexOf(b.dataset.kind));
}

function show(section) {
  const run = readRun(section);
  section.querySelectorAll("table.results").forEach(sortable);
  explain(section);
  if (!run) return [];
  for (const button of section.querySelectorAll("button.markdown")) copies(button, () => run.about.markdown);
  for (const button of section.querySelectorAll("button.command")) {
    copies(button, () => button.closest("div").querySelector("code").textContent);
  }
  const slots = section.querySelectorAll(".plots");
  const drawn = [];
  tables(run.rows).forEach((rows, at) => {
    const slot = slots[Math.min(at, slots.length - 1)];
    if (!slot) return;
    const figures = figuresOf(rows, run.about);
    slot.append(...figures);
    drawn.push(...figures);
  });
  return drawn;
}

const figures = [...document.querySelectorAll("section.run")].flatMap((section) => {
  try {
    return show(section);
  } catch (error) {
    section.append(element("p", { class: "failed" }, `The plots of this run could not be drawn: ${error.message}`));
    console.error(error);
    return [];
  }
});

let drawnFor = 0;
function redraw() {
  const room = document.querySelector(".plots")?.clientWidth || document.body.clientWidth;
  const width = Math.max(280, Math.min(860, Math.floor(room)));
  if (Math.abs(width - drawnFor) < 8) return;
  drawnFor = width;
  for (const figure of figures) figure.redraw(width);
}
redraw();
let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(redraw, 150);
});
document.documentElement.dataset.ready = "1";
