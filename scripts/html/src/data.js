// Rows of a page as plots need them: what varies, what a row is called, which rows are one series.

/** Text of anybody's on one line, without what turns the direction of text, and not too long. */
export function plain(text, most = 40) {
  const clean = String(text ?? "")
    .replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, " ")
    .trim();
  const chars = [...clean];
  return chars.length > most ? chars.slice(0, most - 1).join("") + "…" : clean;
}

/** A file's name without its folders. */
function fileName(path) {
  return String(path ?? "").split(/[\\/]/).pop();
}

/** What tells rows apart beside the axes of the engine: their models and lengths. */
const MODEL = { field: "model", name: "model" };
const LENGTHS = [
  { field: "n_prompt", name: "prompt tokens" },
  { field: "n_gen", name: "generated tokens" },
];

/** The rows of one run, with what was worked out for each beside them. */
export function readRun(section) {
  const parse = (name) => {
    const script = section.querySelector(`script.${name}`);
    return script ? JSON.parse(script.textContent) : null;
  };
  const about = parse("run");
  if (!about) return null;
  const rows = (parse("rows") ?? []).map((row, at) => {
    const { metric, kind, value, low, high } = about.rows[at] ?? {};
    const found = about.metrics.find((one) => one.name === metric);
    return { ...row, at, metric: found, value, low, high, kind: kind ?? found?.kind };
  });
  // Models by what they are called, and by file where two are called the same.
  const files = new Map();
  for (const row of rows) {
    const of = files.get(row.model_type) ?? new Set();
    files.set(row.model_type, of.add(row.model_filename));
  }
  for (const row of rows) {
    const several = files.get(row.model_type).size > 1;
    row.model = several ? fileName(row.model_filename) : row.model_type;
  }
  return { about, rows };
}

/** Rows by the table that they stand in, in order: one table, unless the run is made of several sweeps. */
export function tables(rows) {
  const parts = new Map();
  for (const row of rows) {
    const of = parts.get(row.sweep ?? "") ?? [];
    of.push(row);
    parts.set(row.sweep ?? "", of);
  }
  return [...parts.values()];
}

/** The value of an axis as plots place it: layers that are asked for may be more than there are. */
export function place(row, axis) {
  if (axis.field === "n_gpu_layers") return row.n_gpu_layers_effective ?? row.n_gpu_layers;
  return row[axis.field];
}

/** A value in words. */
export function word(value) {
  if (value === null || value === undefined || value === "") return "none";
  return Array.isArray(value) ? value.join("/") || "none" : String(value);
}

/** The axes in which rows differ, models and lengths of tests among them. */
export function varying(rows, about) {
  const known = new Set();
  const axes = [MODEL, ...LENGTHS, ...about.axes].filter(
    (axis) => !known.has(axis.field) && known.add(axis.field),
  );
  // What a kind of measurement has not is no value of it.
  const has = (axis) => (row) => row.kind === "speed" || (place(row, axis) ?? null) !== null;
  return axes.filter((axis) => new Set(rows.filter(has(axis)).map((row) => word(place(row, axis)))).size > 1);
}

/** The name of a test without the length that an axis shows already. */
export function testName(row, axis) {
  const parts = { n_prompt: ["pp", row.n_prompt], n_gen: ["tg", row.n_gen], n_depth: ["@ d", row.n_depth] };
  if (row.kind !== "speed" || !parts[axis.field]) return row.test;
  delete parts[axis.field];
  const said = Object.values(parts).filter(([, tokens]) => tokens > 0);
  return said.map(([short, tokens]) => `${short}${tokens}`).join(" ");
}

/** What a row is called beside others that differ in these axes. */
export function nameOf(row, axes) {
  const settings = axes
    .filter((axis) => !LENGTHS.some((length) => length.field === axis.field) && axis.field !== "n_depth")
    .map((axis) => (axis === MODEL ? plain(row.model, 32) : `${axis.name} ${plain(word(place(row, axis)), 24)}`));
  return [row.test, ...settings].filter(Boolean).join(", ");
}

/** Rows with a figure that no other row has measured already. */
export function measured(rows) {
  return rows.filter((row) => row.value !== null && row.value !== undefined && !row.same_as);
}

/** Groups in order of their first member. */
export function groups(rows, key) {
  const found = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(row);
  }
  return [...found];
}

/** What kind of test it is: those of one kind share a plot. */
export function family(row) {
  if (row.kind !== "speed") return row.metric?.heading ?? "";
  if (row.n_prompt > 0 && row.n_gen > 0) return "prompt and generation";
  return row.n_gen > 0 ? "generation" : "prompt";
}

/** Memory of a row in MiB: of the devices, or else of the process. */
export function memory(row) {
  const bytes = row.devices_used ?? null;
  return bytes === null ? null : bytes / 2 ** 20;
}

/** The middle and other quantiles of sorted numbers. */
export function quantile(sorted, share) {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const next = sorted[Math.min(low + 1, sorted.length - 1)];
  return sorted[low] + (next - sorted[low]) * (at - low);
}

/** A number with as many digits as say something. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  if (size >= 100) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return size === 0 ? "0" : value.toPrecision(3);
}

/** A number on an axis: great ones in thousands, and no digits that say nothing. */
export function tick(value) {
  return Math.abs(value) >= 10_000 ? `${Number((value / 1000).toPrecision(6))}k` : String(Number(value.toPrecision(6)));
}
