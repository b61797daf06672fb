// Latency of single tokens: how it is distributed, and how it went over time, outliers and throttling marked.
import { dot, line, ruleY, rect } from "@observablehq/plot";
import { chart, figure, seriesScales } from "./frame.js";
import { measured, nameOf, number, plain, quantile, tick, varying } from "./data.js";

/** Most rows of a distribution and of a timeline, and most points of either: more is a blot. */
const MOST_CURVES = 8;
const MOST_LINES = 4;
const MOST_POINTS = 500;

export function latency(rows, about) {
  const own = measured(rows).filter((row) => (row.token_ns ?? []).some((run) => run.length > 1));
  const axes = varying(own, about);
  const timed = own
    .map((row) => ({ row, name: nameOf(row, axes), runs: row.token_ns }))
    .map((one) => ({ ...one, ms: one.runs.flat().map((ns) => ns / 1e6) }));
  return timed.length ? [distribution(timed), timeline(timed)] : [];
}

function left(all, most, what) {
  return all.length > most ? ` The first ${most} of ${all.length} rows ${what}; the data of all are in this page.` : "";
}

function distribution(timed) {
  const shown = timed.slice(0, MOST_CURVES);
  const names = shown.map((one) => one.name);
  const curves = shown.flatMap(({ name, ms }) => {
    const sorted = [...ms].sort((a, b) => a - b);
    const steps = Math.min(sorted.length, MOST_POINTS);
    return Array.from({ length: steps }, (_, at) => ({ name, share: (at + 1) / steps, ms: quantile(sorted, steps > 1 ? at / (steps - 1) : 0) }));
  });
  const marks = shown.flatMap(({ name, ms }) => {
    const sorted = [...ms].sort((a, b) => a - b);
    return [0.5, 0.95, 0.99].map((share) => ({ name, share, ms: quantile(sorted, share), most: sorted[sorted.length - 1] }));
  });
  const all = curves.map((point) => point.ms).filter((value) => value > 0);
  const log = Math.max(...all) / Math.min(...all) > 10;
  const make = (width) => [
    chart("Share of tokens that took no longer, over time in ms", width, {
      ...seriesScales(names),
      height: 260,
      x: { type: log ? "log" : "linear", grid: true, label: "time of a token, ms", labelAnchor: "center", labelArrow: "none", ticks: Math.max(3, Math.floor(width / 110)), tickFormat: tick },
      y: { grid: true, domain: [0, 100], label: "% of tokens" },
      marks: [
        line(curves, { x: "ms", y: (point) => point.share * 100, z: "name", stroke: "name", curve: "step-after" }),
        dot(marks, { x: "ms", y: (point) => point.share * 100, fill: "name", stroke: "name", symbol: "name", r: 3, className: "quantiles", tip: true, title: (point) => `${point.name}\n${point.share * 100} % within ${number(point.ms)} ms` }),
      ],
    }),
  ];
  const body = shown.map(({ name, ms }, at) => [name, ms.length, ...marks.slice(at * 3, at * 3 + 3).map((mark) => mark.ms), marks[at * 3].most]);
  return figure({
    title: "How long a token takes", kind: "ecdf", count: shown.length, names, make,
    text: `Share of tokens that took no longer; marks at 50, 95 and 99 %.${left(timed, MOST_CURVES, "are drawn")}`,
    head: ["row", "tokens", "50 % ms", "95 % ms", "99 % ms", "longest ms"], body,
  });
}

/** Tokens that took far longer than their neighbours usually do. */
function outliersOf(ms) {
  const sorted = [...ms].sort((a, b) => a - b);
  const [q1, q3] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
  const limit = q3 + 3 * Math.max(q3 - q1, q3 * 0.02);
  return new Set(ms.flatMap((value, at) => (value > limit ? [at] : [])));
}

/** As many points as there is room for: of each stretch its least and its greatest. */
function thinned(points, most) {
  if (points.length <= most) return points;
  const size = Math.ceil((points.length * 2) / most);
  const kept = [];
  for (let start = 0; start < points.length; start += size) {
    const part = points.slice(start, start + size);
    const least = part.reduce((a, b) => (b.ms < a.ms ? b : a));
    const greatest = part.reduce((a, b) => (b.ms > a.ms ? b : a));
    kept.push(...[least, greatest].sort((a, b) => a.at - b.at));
  }
  return kept;
}

function timeline(timed) {
  const shown = timed.slice(0, MOST_LINES);
  const body = [];
  const parts = shown.map((one) => {
    const outliers = outliersOf(one.ms);
    const points = one.ms.map((ms, at) => ({ at, ms }));
    const starts = [];
    one.runs.reduce((at, run) => (starts.push(at), at + run.length), 0);
    const reasons = [...new Set((one.row.telemetry ?? []).flatMap((seen) => (seen.throttled ? seen.throttle_reasons : [])))];
    body.push([one.name, one.ms.length, outliers.size, one.row.throttled ? reasons.join(", ") || "its clock fell" : one.row.throttled === false ? "no" : "not known"]);
    return { ...one, points, starts, far: points.filter((point) => outliers.has(point.at)) };
  });
  const make = (width) => parts.map((one) => {
    const top = Math.max(...one.ms);
    const held = one.row.throttled ? [{ x1: 0, x2: one.ms.length, y1: 0, y2: top }] : [];
    return chart(`Time of each token of ${one.name}${one.row.throttled ? ", the device held back" : ""}`, width, {
      height: 150,
      marginTop: 30,
      x: { label: "token, over all runs of the row", labelAnchor: "center", labelArrow: "none", ticks: Math.max(3, Math.floor(width / 110)), tickFormat: String },
      y: { grid: true, zero: true, nice: true, label: `${plain(one.name, Math.floor((width - 90) / 7))}: ms a token`, ticks: 4, tickFormat: tick },
      marks: [
        rect(held, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: "var(--warn)", fillOpacity: 0.15, className: "throttled" }),
        line(thinned(one.points, MOST_POINTS), { x: "at", y: "ms", stroke: "var(--series-1)", strokeWidth: 1 }),
        dot(one.far, { x: "at", y: "ms", stroke: "var(--series-2)", symbol: "times", r: 3, strokeWidth: 1.5, className: "outliers", tip: true, title: (point) => `token ${point.at}: ${number(point.ms)} ms` }),
        ruleY([0], { strokeOpacity: 0.4 }),
      ],
    });
  });
  return figure({
    title: "Tokens in the order in which they came", kind: "timeline", count: shown.length, make, body,
    text: `Crosses are far from the others. A shaded plot is a row whose device was held back.${left(timed, MOST_LINES, "are drawn")}`,
    head: ["row", "tokens", "far from the others", "held back"],
  });
}
