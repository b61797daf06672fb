// Frame of a plot: a figure with its caption, its legend, and its numbers as a table for those who cannot point.
import { dot, plot as draw } from "@observablehq/plot";
import { number, plain } from "./data.js";

export const COLOURS = 8;
const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "wye", "cross", "hexagon"];
/** Most entries of a legend, and most rows of a plot's table. */
const MOST_NAMES = 24;
const MOST_NUMBERS = 200;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The colour and the shape of the series at a place: both repeat, together they do so late. */
export function look(at) {
  const round = Math.floor(at / COLOURS);
  return { colour: `var(--series-${(at % COLOURS) + 1})`, symbol: SYMBOLS[(at + round) % SYMBOLS.length] };
}

/** The scales of series by name. */
export function seriesScales(names) {
  const looks = names.map((_, at) => look(at));
  return {
    color: { domain: names, range: looks.map((one) => one.colour) },
    symbol: { domain: names, range: looks.map((one) => one.symbol) },
  };
}

/** An SVG by Observable Plot in the page's own colours. */
export function chart(label, width, options) {
  const svg = draw({
    className: "chart",
    width,
    marginLeft: 62,
    marginRight: 24,
    marginBottom: 40,
    ariaLabel: label,
    ...options,
  });
  // The page's own style sheet stands in for the one that Plot brings: the policy of the page allows no other.
  svg.querySelectorAll("style").forEach((style) => style.remove());
  svg.setAttribute("role", "img");
  return svg;
}

/** A figure that is drawn anew where the page has another width. `make` gives its charts for a width. */
export function figure({ title, text, names = [], make, head, body, kind, count }) {
  const charts = element("div", { class: "charts" });
  const made = element("figure", { "data-kind": kind, "data-marks": count });
  made.append(element("figcaption", {}, element("strong", {}, title), " ", text), charts);
  if (names.length > 1) made.insertBefore(legend(names), charts);
  if (body?.length) made.append(numbers(head, body));
  made.redraw = (width) => {
    charts.replaceChildren(...make(width));
  };
  return made;
}

/** Names of series with their colours and shapes. */
function legend(names) {
  const list = element("ul", { class: "legend" });
  const scales = seriesScales(names);
  names.slice(0, MOST_NAMES).forEach((name, at) => {
    const sample = draw({
      className: "chart",
      width: 14, height: 14, margin: 0, axis: null,
      x: { domain: [0, 1] }, y: { domain: [0, 1] },
      marks: [dotOf(scales.color.range[at], scales.symbol.range[at])],
    });
    sample.querySelectorAll("style").forEach((style) => style.remove());
    sample.setAttribute("aria-hidden", "true");
    list.append(element("li", {}, sample, plain(name, 90)));
  });
  if (names.length > MOST_NAMES) list.append(element("li", {}, `and ${names.length - MOST_NAMES} more`));
  return list;
}

function dotOf(colour, symbol) {
  return dot([[0.5, 0.5]], { fill: colour, symbol, r: 4 });
}

/** The numbers of a plot. */
function numbers(head, body) {
  const cell = (name) => (value) =>
    element(name, typeof value === "number" ? { class: "number" } : {}, typeof value === "number" ? number(value) : plain(value, 90));
  const line = (values, name) => element("tr", {}, ...values.map(cell(name)));
  const rows = body.slice(0, MOST_NUMBERS).map((values) => line(values, "td"));
  const table = element("table", {}, element("thead", {}, line(head, "th")), element("tbody", {}, ...rows));
  const left = body.length - rows.length;
  const more = left > 0 ? [element("p", {}, `${left} more are in the data of this page.`)] : [];
  return element("details", {}, element("summary", {}, "Numbers of this plot"), element("div", { class: "wide" }, table), ...more);
}

/** Those of some values whose labels have room beside each other. */
export function ticks(values, at, format = String, gap = 8) {
  const kept = [];
  let end = -Infinity;
  const last = values[values.length - 1];
  const half = (value) => (format(value).length * 6.5) / 2;
  const lastStart = at(last) - half(last);
  for (const value of values) {
    const [start, stop] = [at(value) - half(value), at(value) + half(value)];
    if (start >= end + gap && (value === last || stop + gap <= lastStart)) {
      kept.push(value);
      end = stop;
    }
  }
  return kept.length ? kept : [last];
}
