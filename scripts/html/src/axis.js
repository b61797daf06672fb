// Speed over an axis, with the interval of each row, and memory in a second panel below that shares the axis.
import { dot, line, link, ruleX } from "@observablehq/plot";
import { chart, figure, seriesScales, ticks } from "./frame.js";
import { family, groups, measured, memory, nameOf, number, place, plain, testName, tick, varying, word } from "./data.js";

const CAPTIONS = {
  n_batch: "over the logical batch size",
  n_ubatch: "over the physical batch size",
  n_depth: "over the tokens that are in the context already",
  n_gpu_layers: "over the layers on a device",
  n_threads: "over CPU threads",
};

/** Values of an axis that are numbers throughout are placed as numbers. */
function isNumeric(axis, rows) {
  return axis.field !== "main_gpu" && rows.every((row) => typeof place(row, axis) === "number");
}

/** The figures of a table: one for each axis that varies and each kind of test. */
export function overAxes(rows, about) {
  const found = [];
  const own = measured(rows);
  for (const [, of] of groups(own, family)) {
    const axes = varying(of, about).filter((axis) => !isLengthOfOther(axis, of));
    for (const axis of axes) {
      if (isShadow(axis, axes, of)) continue;
      found.push(isNumeric(axis, of) ? numeric(of, axis, axes) : nominal(of, axis, axes));
    }
  }
  return found;
}

/** Whether an axis is the length of what a test does not do. */
function isLengthOfOther(axis, rows) {
  const isLength = axis.field === "n_prompt" || axis.field === "n_gen";
  return isLength && rows.some((row) => !row[axis.field]);
}

/** Whether an axis says no more than an earlier one: the physical batch that follows the logical one. */
function isShadow(axis, axes, rows) {
  const before = axes.slice(0, axes.indexOf(axis));
  return before.some((other) => {
    const pairs = new Set(rows.map((row) => `${word(place(row, other))}|${word(place(row, axis))}`));
    const [a, b] = [other, axis].map((one) => new Set(rows.map((row) => word(place(row, one)))).size);
    return pairs.size === a && pairs.size === b;
  });
}

function axisLabel(axis) {
  return axis.field === "n_gpu_layers" ? "layers on a device" : axis.name;
}

function heading(rows, axis) {
  const metric = rows[0].metric;
  const over = CAPTIONS[axis.field] ?? `by ${axis.name}`;
  const title = `${what(rows)} ${over}`;
  const known = rows.some((row) => row.low !== null && row.low !== undefined);
  const speed = rows[0].kind === "speed";
  const said = [
    speed ? "" : `${metric.doc}.`,
    known ? (speed ? "Bars: where another run would lie, 95 times out of 100." : "Bars: its 95 % interval over such texts.") : "",
    metric.better === "lower" ? "Less is better." : "",
  ];
  return { title, text: said.filter(Boolean).join(" ") };
}

function what(rows) {
  const metric = rows[0].metric;
  const kind = family(rows[0]);
  if (rows[0].kind !== "speed") return metric.heading ?? metric.name;
  return { prompt: "Prompt speed", generation: "Generation speed" }[kind] ?? "Speed of prompt and generation";
}

/** The rows as points, each with the name of its series. */
function points(rows, axis, axes) {
  const others = axes.filter((one) => one !== axis);
  return rows.map((row) => ({
    row,
    x: place(row, axis),
    y: row.value * row.metric.scale,
    low: row.low === null || row.low === undefined ? null : row.low * row.metric.scale,
    high: row.high === null || row.high === undefined ? null : row.high * row.metric.scale,
    memory: memory(row),
    series: seriesName(row, axis, others),
  }));
}

function seriesName(row, axis, others) {
  return nameOf({ ...row, test: testName(row, axis) }, others) || family(row);
}

function unit(metric) {
  return metric.heading && metric.heading !== metric.unit ? metric.heading : metric.unit;
}

function shared(data, axis, metric) {
  const names = [...new Set(data.map((point) => point.series))];
  const body = data.map((point) => [point.series, word(point.x), point.y, point.low ?? "–", point.high ?? "–", point.memory ?? "–"]);
  const head = ["series", axisLabel(axis), unit(metric), "low", "high", "device MiB"];
  return { names, body, head, count: data.length };
}

function numeric(rows, axis, axes) {
  const metric = rows[0].metric;
  const data = points(rows, axis, axes).sort((a, b) => a.x - b.x);
  const of = shared(data, axis, metric);
  const values = [...new Set(data.map((point) => point.x))].sort((a, b) => a - b);
  const [least, most] = [values[0], values[values.length - 1]];
  const log = least > 0 && most / least >= 8;
  const make = (width) => {
    const [left, right] = [62, 24];
    const at = (value) => {
      const share = log ? Math.log(value / least) / Math.log(most / least) : (value - least) / (most - least || 1);
      return left + 8 + share * (width - left - right - 16);
    };
    const x = {
      type: log ? "log" : "linear", base: 2, domain: [least, most], insetLeft: 8, insetRight: 8,
      ticks: ticks(values, at), tickFormat: String,
    };
    const base = { ...seriesScales(of.names), marginLeft: left, marginRight: right };
    const spans = data.filter((point) => point.low !== null && point.high !== null);
    const speed = chart(`${unit(metric)} over ${axis.name}`, width, {
      ...base,
      height: 280,
      x: { ...x, label: axisLabel(axis), labelAnchor: "center", labelArrow: "none" },
      y: { grid: true, zero: rows[0].kind === "speed", nice: true, label: unit(metric), ticks: 6, tickFormat: tick },
      marks: [
        line(data, { x: "x", y: "y", z: "series", stroke: "series", strokeOpacity: 0.5 }),
        ruleX(spans, { x: "x", y1: "low", y2: "high", stroke: "series", strokeWidth: 2 }),
        dot(data, { x: "x", y: "y", stroke: "series", fill: "series", symbol: "series", r: 3.5, className: "rows", title: say(axis), tip: true }),
      ],
    });
    const used = data.filter((point) => point.memory !== null);
    if (new Set(used.map((point) => point.memory)).size < 2) return [speed];
    const panel = chart(`Device memory over ${axis.name}`, width, {
      ...base,
      height: 130,
      x: { ...x, label: axisLabel(axis), labelAnchor: "center", labelArrow: "none" },
      y: { grid: true, zero: true, nice: true, label: "device memory, MiB", ticks: 3, tickFormat: tick },
      marks: [
        line(used, { x: "x", y: "memory", z: "series", stroke: "series", strokeOpacity: 0.5 }),
        dot(used, { x: "x", y: "memory", stroke: "series", fill: "series", symbol: "series", r: 2.5, className: "memory" }),
      ],
    });
    return [speed, panel];
  };
  return figure({ ...heading(rows, axis), ...of, make, kind: kindOf(axis) });
}

function kindOf(axis) {
  return { n_batch: "batch", n_ubatch: "batch", n_depth: "depth" }[axis.field] ?? "axis";
}

function say(axis) {
  return (point) => {
    const range = point.low === null ? "" : ` (${number(point.low)} to ${number(point.high)})`;
    return `${point.series}\n${axis.name} ${plain(word(point.x))}: ${number(point.y)} ${unit(point.row.metric)}${range}`;
  };
}

/** An axis of names: a line for each value, as long names have room there. */
function nominal(rows, axis, axes) {
  const metric = rows[0].metric;
  const data = points(rows, axis, axes).map((point) => ({ ...point, label: plain(word(point.x), 200) }));
  const of = shared(data, axis, metric);
  const labels = [...new Set(data.map((point) => point.label))];
  const make = (width) => {
    const room = Math.max(10, Math.min(30, Math.floor(width / 20)));
    const longest = Math.min(room, Math.max(...labels.map((label) => [...label].length)));
    const margin = 16 + longest * 7;
    const several = of.names.length > 1 ? of.names.length : 1;
    const step = Math.min(64, 18 + 8 * several);
    const height = 56 + labels.length * step;
    const base = { ...seriesScales(of.names), marginLeft: margin, height, y: { domain: labels, label: null, tickFormat: (label) => plain(label, longest), type: "band", grid: true } };
    const offset = (point) => (several === 1 ? 0 : (of.names.indexOf(point.series) / (several - 1) - 0.5) * (step - 20));
    const spans = data.filter((point) => point.low !== null && point.high !== null);
    const of_series = groups(data, (point) => point.series);
    const marks = of_series.flatMap(([name, own]) => {
      const dy = offset(own[0]);
      return [
        link(spans.filter((point) => point.series === name), { x1: "low", x2: "high", y1: "label", y2: "label", stroke: "series", strokeWidth: 2, dy }),
        dot(own, { x: "y", y: "label", stroke: "series", fill: "series", symbol: "series", r: 3.5, dy, className: "rows", title: say(axis), tip: true }),
      ];
    });
    const x = { grid: true, zero: rows[0].kind === "speed", nice: true, ticks: Math.max(3, Math.floor(width / 110)), tickFormat: tick, label: unit(metric), labelAnchor: "center", labelArrow: "none" };
    const speed = chart(`${unit(metric)} by ${axis.name}`, width, { ...base, x, marks });
    const used = data.filter((point) => point.memory !== null);
    if (new Set(used.map((point) => point.memory)).size < 2) return [speed];
    const panel = chart(`Device memory by ${axis.name}`, width, {
      ...base,
      x: { ...x, zero: true, label: "device memory, MiB" },
      marks: of_series.map(([name, own]) =>
        dot(own.filter((point) => point.memory !== null), { x: "memory", y: "label", stroke: "series", fill: "series", symbol: "series", r: 3, dy: offset(own[0]), className: "memory" })),
    });
    return [speed, panel];
  };
  return figure({ ...heading(rows, axis), ...of, make, kind: kindOf(axis) });
}
