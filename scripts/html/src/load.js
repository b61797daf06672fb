// Load: how long requests wait against how much a server gets done, a line for each length of answers.
import { dot, line } from "@observablehq/plot";
import { chart, figure, seriesScales } from "./frame.js";
import { groups, measured, number, place, plain, tick, varying, word } from "./data.js";

/** Fields that say how long answers are, and those that say how hard a server is pressed. */
const LENGTH = /(^n_gen$|output|max_tokens|answer)/;
const PRESSURE = /(concurren|clients|users|n_parallel|request_rate|rate_limit|offered|arrival)/;

/** The rows that are loads: a kind of its own that has a throughput and latencies. */
export function isLoad(row) {
  return /load/.test(row.kind ?? "");
}

export function loads(rows, about) {
  const own = measured(rows).filter(isLoad);
  if (own.length < 2) return [];
  const metrics = about.metrics.filter((metric) => metric.kind === own[0].kind);
  const has = (metric) => own.filter((row) => typeof row[metric.field] === "number").length > 1;
  const through = metrics.filter((metric) => metric.better === "higher" && /\/s$/.test(metric.unit) && has(metric))[0];
  const waits = metrics.filter((metric) => metric.better === "lower" && /^(ns|µs|us|ms|s)$/.test(metric.unit) && has(metric));
  if (!through) return [];
  const fields = Object.keys(own[0]).map((field) => ({ field, name: field }));
  const axes = varying(own, { ...about, axes: [...about.axes, ...fields.filter((one) => LENGTH.test(one.field) || PRESSURE.test(one.field))] });
  const known = new Set(metrics.map((metric) => metric.field));
  const settings = axes.filter((axis) => !known.has(axis.field));
  const pressure = settings.find((axis) => PRESSURE.test(axis.field));
  const series = (row) => settings.filter((axis) => axis !== pressure).map((axis) => `${axis.name} ${plain(word(place(row, axis)), 24)}`).join(", ") || "all";
  return waits.map((wait) => curve(own, { through, wait, pressure, series }));
}

function curve(rows, { through, wait, pressure, series }) {
  const data = rows
    .filter((row) => typeof row[through.field] === "number" && typeof row[wait.field] === "number")
    .map((row) => ({ x: row[through.field] * through.scale, y: row[wait.field] * wait.scale, press: pressure ? place(row, pressure) : row.at, series: series(row) }));
  const lines = groups(data, (point) => point.series);
  lines.forEach(([, points]) => points.sort((a, b) => a.press - b.press));
  const sorted = lines.flatMap(([, points]) => points);
  const names = lines.map(([name]) => name);
  const values = data.map((point) => point.y).filter((value) => value > 0);
  const log = values.length === data.length && Math.max(...values) / Math.min(...values) >= 10;
  const [x, y] = [through, wait].map((metric) => metric.heading || `${metric.name}, ${metric.unit}`);
  const make = (width) => [
    chart(`${y} over ${x}`, width, {
      ...seriesScales(names),
      height: 300,
      x: { grid: true, nice: true, zero: true, label: x, labelAnchor: "center", labelArrow: "none", ticks: Math.max(3, Math.floor(width / 110)), tickFormat: tick },
      y: { grid: true, nice: true, type: log ? "log" : "linear", zero: !log, label: y, ticks: 5, tickFormat: tick },
      marks: [
        line(sorted, { x: "x", y: "y", z: "series", stroke: "series", strokeOpacity: 0.6 }),
        dot(sorted, { x: "x", y: "y", stroke: "series", fill: "series", symbol: "series", r: 3.5, className: "rows", tip: true, title: (point) => `${point.series}\n${pressure ? `${pressure.name} ${word(point.press)}: ` : ""}${number(point.x)} ${x}, ${number(point.y)} ${y}` }),
      ],
    }),
  ];
  const body = sorted.map((point) => [point.series, word(point.press), point.x, point.y]);
  return figure({
    title: `${wait.doc ?? wait.name} against throughput`, kind: "load", count: sorted.length, names, make, body,
    text: "Along a line the server is pressed harder; to the right and down is better.",
    head: ["series", pressure?.name ?? "row", x, y],
  });
}
