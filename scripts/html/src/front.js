// Front of what can be had: speed against quality, the area of a dot being the memory that it takes; against memory
// alone where the run has no quality.
import { dot, line } from "@observablehq/plot";
import { chart, figure } from "./frame.js";
import { measured, memory, number, place, plain, tick, varying, word } from "./data.js";

/** Measures of quality, the telling one first. Less is better in all. */
const QUALITY = [
  { field: "kld", name: "KL divergence from the reference, nats", log: true },
  { field: "ppl", name: "perplexity", log: false },
];

export function front(rows, about) {
  const own = rows.filter((row) => row.value !== null && row.value !== undefined);
  const axes = varying(own.filter((row) => row.kind === "speed"), about).filter((axis) => !["n_prompt", "n_gen", "n_depth"].includes(axis.field));
  const key = (row) => axes.map((axis) => word(place(row, axis))).join("|");
  const name = (row) => axes.map((axis) => (axis.field === "model" ? row.model : `${axis.name} ${word(place(row, axis))}`)).join(", ");
  const speeds = measured(own).filter((row) => row.kind === "speed" && row.n_gen > 0 && !row.n_prompt);
  const test = speeds[0]?.test;
  const measure = QUALITY.find((one) => own.filter((row) => typeof row[one.field] === "number").length > 1);
  const data = speeds
    .filter((row) => row.test === test)
    .map((row) => {
      const quality = measure && own.find((other) => key(other) === key(row) && typeof other[measure.field] === "number");
      return { x: row.value, low: row.low, high: row.high, y: measure ? quality?.[measure.field] : memory(row), memory: memory(row), name: name(row) };
    })
    .filter((point) => typeof point.y === "number" && (!measure?.log || point.y > 0));
  const distinct = new Set(data.map((point) => point.y)).size;
  if (data.length < 2 || distinct < 2) return [];
  const best = frontOf(data);
  const y = measure?.name ?? "device memory, MiB";
  const title = measure ? "Speed, memory and quality" : "Speed and memory";
  const area = measure && data.some((point) => point.memory !== null) ? " The area of a dot is the memory that it takes." : "";
  const rest = measure?.field === "kld" ? " The reference itself has no distance, and is not in it." : "";
  const text = `The line joins what nothing else beats in both: to the right and down is better.${area}${rest}`;
  const make = (width) => [
    chart(`${title}: ${y} over ${test}`, width, {
      height: 320,
      marginRight: 40,
      r: { range: [3, 14], zero: true },
      x: { grid: true, nice: true, zero: true, label: `${test}, t/s`, labelAnchor: "center", labelArrow: "none", ticks: Math.max(3, Math.floor(width / 110)), tickFormat: tick },
      y: { grid: true, nice: true, type: measure?.log ? "log" : "linear", zero: !measure, label: y, ticks: 5, tickFormat: tick },
      marks: [
        line(best, { x: "x", y: "y", curve: "step-after", stroke: "var(--series-2)", strokeWidth: 1.5 }),
        dot(data, {
          x: "x", y: "y", r: measure && area ? (point) => point.memory ?? 1 : undefined, fill: (point) => (best.includes(point) ? "var(--series-1)" : "var(--faint)"), fillOpacity: 0.75, stroke: "currentColor",
          className: "rows", tip: true,
          title: (point) => `${plain(point.name, 60)}\n${number(point.x)} t/s, ${number(point.y)} ${y}`,
        }),
      ],
    }),
  ];
  const body = data.map((point) => [point.name, point.x, point.y, point.memory ?? "–", best.includes(point) ? "yes" : "no"]);
  return [figure({ title, text, make, kind: "front", count: data.length, head: ["settings", `${test}, t/s`, y, "device MiB", "on the front"], body })];
}

/** The points that no other beats in both, from slow to fast. */
export function frontOf(data) {
  const beats = (a, b) => a.x >= b.x && a.y <= b.y && (a.x > b.x || a.y < b.y);
  return data.filter((point) => !data.some((other) => beats(other, point))).sort((a, b) => a.x - b.x);
}
