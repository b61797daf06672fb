// Samples by round: how far each is from the middle of its row. A machine that changes shows as a slope of all rows.
import { dot, line, ruleY } from "@observablehq/plot";
import { chart, figure } from "./frame.js";
import { measured, nameOf, number, quantile, varying } from "./data.js";

const MOST_DOTS = 2500;

export function rounds(rows, about) {
  const axes = varying(measured(rows), about);
  const own = measured(rows).filter((row) => (row.samples_ts?.length ?? 0) > 1);
  // Rows of one visit know no rounds: samples are then counted in all.
  const several = own.every((row) => (row.visits ?? []).some((visit) => visit.round > 0))
    && own.some((row) => row.visits.length > 1);
  const samples = own.flatMap((row) => samplesOf(row, nameOf(row, axes), several));
  if (!samples.length) return [];
  const middle = middles(samples);
  const dots = samples.length > MOST_DOTS ? samples.filter((_, at) => at % Math.ceil(samples.length / MOST_DOTS) === 0) : samples;
  const thin = dots.length < samples.length ? ` ${dots.length} of ${samples.length} samples are drawn.` : "";
  const label = several ? "round" : "sample";
  const most = Math.max(...samples.map((sample) => sample.x));
  const make = (width) => [
    chart(`Samples by ${label}, in percent off the middle of their row`, width, {
      height: 220,
      x: { label, domain: [several ? Math.min(...samples.map((sample) => sample.round)) - 0.5 : 0.5, most + 0.5], labelAnchor: "center", labelArrow: "none", ticks: whole(middle.map((one) => one.x), width), tickFormat: String },
      y: { grid: true, nice: true, label: "% off the row's median", tickFormat: (value) => (value > 0 ? `+${value}` : String(value)), ticks: 6 },
      marks: [
        ruleY([0], { strokeOpacity: 0.5 }),
        dot(dots, { x: "x", y: "off", r: 2, fill: "var(--series-1)", fillOpacity: 0.5, className: "samples", tip: true, title: (sample) => `${sample.name}\n${number(sample.value)} t/s, ${number(sample.off)} %` }),
        line(middle, { x: "x", y: "off", stroke: "var(--series-2)", strokeWidth: 2 }),
      ],
    }),
  ];
  const body = middle.map((one) => [`${label} ${one.x}`, one.count, one.off]);
  return [figure({
    title: several ? "Samples by round" : "Samples in their order", kind: "rounds", count: dots.length, make, body,
    text: `Each dot is a sample, the line their middle: a slope is a machine that changed meanwhile.${thin}`,
    head: [label, "samples", "median, % off"],
  })];
}

/** The samples of a row, each with its round. */
function samplesOf(row, name, byRound) {
  const sorted = [...row.samples_ts].sort((a, b) => a - b);
  const middle = quantile(sorted, 0.5);
  if (!(middle > 0)) return [];
  const visits = row.visits?.length ? row.visits : [{ round: 0, n_samples: row.samples_ts.length }];
  let at = 0;
  const found = [];
  for (const visit of visits) {
    for (let nth = 0; nth < visit.n_samples && at < row.samples_ts.length; nth += 1, at += 1) {
      const value = row.samples_ts[at];
      const round = byRound ? visit.round : at + 1;
      const x = byRound ? visit.round + ((nth + 0.5) / visit.n_samples - 0.5) * 0.6 : at + 1;
      found.push({ name, value, round, x, off: (value / middle - 1) * 100 });
    }
  }
  return found;
}

function middles(samples) {
  const by = new Map();
  for (const sample of samples) {
    const of = by.get(sample.round) ?? [];
    of.push(sample.off);
    by.set(sample.round, of);
  }
  const found = [...by].map(([round, of]) => {
    const sorted = of.sort((a, b) => a - b);
    return { x: round, off: quantile(sorted, 0.5), count: of.length };
  });
  return found.sort((a, b) => a.x - b.x);
}

/** Whole numbers that have room. */
function whole(values, width) {
  const step = Math.max(1, Math.ceil((values.length * 36) / width));
  return values.filter((_, at) => at % step === 0);
}
